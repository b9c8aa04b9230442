"""Encrypts values that contain requests, for a Redis that other programs may read."""

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


class Encryption:
    """AES-256-GCM with a key derived from the cache's secret; without a secret, values stay plain."""

    def __init__(self, secret: bytes | None) -> None:
        self._cipher = None if secret is None else AESGCM(hmac.digest(secret, b"cogitate encryption", "sha256"))

    def encrypt(self, key: str, value: bytes) -> bytes:
        if self._cipher is None:
            return value
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, value, key.encode())

    def decrypt(self, key: str, value: bytes) -> bytes | None:
        """Return None for what `encrypt` did not make from this key and secret."""
        if self._cipher is None:
            return value
        try:
            return self._cipher.decrypt(value[:NONCE_BYTES], value[NONCE_BYTES:], key.encode())
        except (InvalidTag, ValueError):
            return None
