"""The API keys file: parsing, tenant look-up, and `cogitate keys new`. Only digests of keys are stored."""

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cogitate.server.auth.key_limits import InvalidKeyLimits, KeyLimits

log = logging.getLogger("cogitate.auth")
KEY_PREFIX = "cog-"
DEFAULT_TENANT = ""
"""The tenant of every request where no keys are configured."""


class InvalidKeysFile(Exception):
    """The keys file cannot be read or parsed, or the new key's tenant is malformed. The message is one line."""


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """The tenant and the limits of a key."""

    tenant: str = DEFAULT_TENANT
    limits: KeyLimits = KeyLimits()


@dataclass(slots=True)
class Keys:
    """A keys file of lines `SHA256HEX TENANT [limits...]`, with # for comments. It is read again when it changes.

    When a file becomes unreadable or malformed while the server runs, the keys that were read before stay valid, and
    the log says so once.
    """

    path: Path
    on_load: Callable[[Iterable[str]], None] = lambda _: None
    """Called with the tenants whenever the file has been read."""
    _holders: dict[bytes, KeyHolder] = field(default_factory=dict)
    _version: tuple[int, int] = (0, 0)
    """Modification time (ns) and size (bytes) of the file that `_holders` was read from."""
    _error: str | None = None

    def find_holder(self, key: str) -> KeyHolder | None:
        """Return the holder of a key, or None for an unknown key.

        Compares with every digest, so that the time taken does not depend on the key. Raises InvalidKeysFile where no
        version of the file could be read.
        """
        self.refresh()
        sent, match = digest(key), None
        for known, holder in self._holders.items():
            if hmac.compare_digest(known, sent):
                match = holder
        return match

    def refresh(self) -> None:
        """Read the file where it has changed. Raises InvalidKeysFile where no version of it could be read."""
        try:
            stat = self.path.stat()
            if (stat.st_mtime_ns, stat.st_size) != self._version:
                self._holders = parse_keys(self.path.read_text())
                self._version = (stat.st_mtime_ns, stat.st_size)
                self.on_load({holder.tenant for holder in self._holders.values()})
        except (OSError, InvalidKeysFile) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            if not self._holders:
                raise InvalidKeysFile(f"the keys file cannot be used: {reason}") from None
            if reason != self._error:
                log.error("the keys file cannot be used, the keys read before stay valid: %s", reason)
            self._error = reason
        else:
            self._error = None


def digest(key: str) -> bytes:
    """Return the SHA-256 of a key: 32 bytes."""
    return hashlib.sha256(key.encode(errors="replace")).digest()


def parse_keys(text: str) -> dict[bytes, KeyHolder]:
    """Parse a keys file into holders by digest. Raises InvalidKeysFile with the number of the malformed line."""
    holders = {}
    for number, line in enumerate(text.splitlines(), 1):
        if words := line.split("#")[0].split():
            try:
                hashed, holder = _parse_line(words)
            except InvalidKeyLimits as error:
                raise InvalidKeysFile(f"line {number} of the keys file: {error}") from None
            holders[hashed] = holder
    return holders


def _parse_line(words: list[str]) -> tuple[bytes, KeyHolder]:
    try:
        hashed = bytes.fromhex(words[0])
    except ValueError:
        hashed = b""
    if len(hashed) != hashlib.sha256().digest_size:
        raise InvalidKeyLimits("it does not begin with a SHA-256 digest in hex")
    if len(words) < 2 or "=" in words[1]:
        raise InvalidKeyLimits("expected `SHA256HEX TENANT [limits]`")
    return hashed, KeyHolder(words[1], KeyLimits.parse(words[2:]))


def create_key(path: Path, tenant: str) -> str:
    """Create a key of 256 random bits and append its digest to the file, which is created with mode 0600.

    Returns the key, which is stored nowhere. Raises InvalidKeysFile for a malformed tenant, OSError where the file
    cannot be written.
    """
    if not tenant or len(tenant.split()) != 1 or "#" in tenant:
        raise InvalidKeysFile("a tenant's name must be one word without #")
    key, is_new_file = KEY_PREFIX + secrets.token_urlsafe(32), not path.exists()
    with path.open("a") as file:
        file.write(f"{digest(key).hex()} {tenant}\n")
    if is_new_file:
        path.chmod(0o600)
    return key
