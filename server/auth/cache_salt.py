"""Derives the `cache_salt` that keeps one tenant's entries in vLLM's prefix cache apart from another's."""

import hmac
import os
from dataclasses import dataclass, field

RANDOM_SECRET = os.urandom(32)


@dataclass(frozen=True, slots=True)
class CacheSalts:
    """Maps a tenant to a salt that nobody without the secret can compute.

    A salt changes only with the secret. Without a configured secret there is a random one, so salts last as long as the
    server: the worker processes of one have the same.
    """

    secret: bytes = field(default=RANDOM_SECRET, repr=False)

    def __call__(self, tenant: str) -> str:
        """Return HMAC-SHA256 of the tenant's name as 64 hex digits."""
        return hmac.digest(self.secret, b"cache_salt\0" + tenant.encode(), "sha256").hex()


class NoSalts:
    """Salts nothing: without API keys there is one tenant."""

    def __call__(self, tenant: str) -> str:
        return ""
