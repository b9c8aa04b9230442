"""The envelope of a value outside this process: a format mark, a digest of key and value, the value."""

import hashlib
import hmac

MARK = b"cogitate:1\n"
"""Changes with the format of the envelope and with what values may contain."""
OVERHEAD_BYTES = len(MARK) + hashlib.sha256().digest_size


def seal(key: str, value: bytes, secret: bytes | None) -> bytes:
    """Wrap a value so that `unseal` accepts it only unchanged, under the same key and with the same secret."""
    return MARK + _digest(key, value, secret) + value


def unseal(key: str, envelope: bytes, secret: bytes | None) -> bytes | None:
    """Return the value, or None for bytes that `seal` did not make from this key and secret."""
    mark, digest, value = envelope[: len(MARK)], envelope[len(MARK) : OVERHEAD_BYTES], envelope[OVERHEAD_BYTES:]
    if mark != MARK or not hmac.compare_digest(digest, _digest(key, value, secret)):
        return None
    return value


def _digest(key: str, value: bytes, secret: bytes | None) -> bytes:
    text = MARK + key.encode() + b"\0" + value
    return hashlib.sha256(text).digest() if secret is None else hmac.digest(secret, text, "sha256")
