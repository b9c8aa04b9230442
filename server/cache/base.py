"""The Cache port."""

from typing import Protocol

CLAIM_SECONDS = 6
"""How long a claim outlives the process that made it."""


class Cache(Protocol):
    """Finished answers and other values by key, for a limited time.

    No method raises or waits for long because the cache is broken: a value that cannot be read is a miss, and one that
    cannot be written is not stored. Values are bytes; keys have a bounded length and reveal nothing of a request.
    """

    shared: bool
    """Whether other processes may read and write it too."""

    async def get(self, key: str) -> bytes | None:
        """Return the last value put under `key`, byte for byte; None where there is none, or none to be trusted."""

    async def put(self, key: str, value: bytes, *, seconds: int | None = None) -> bool:
        """Store a value for `seconds`, by default for the cache's own time to live.

        Returns whether it was stored: it may be too large, or the cache may be broken. It may be evicted at any time.
        """

    async def claim(self, key: str) -> bool:
        """Return whether the caller shall compute the value of `key`.

        False only where another process has a claim to it that is less than CLAIM_SECONDS old. The caller calls `renew`
        more often than that while it computes, and `release` in the end. True where the cache is broken.
        """

    async def renew(self, key: str) -> None:
        """Make the caller's claim last for CLAIM_SECONDS from now."""

    async def release(self, key: str) -> None:
        """Give up the caller's claim. The claim of another process stays."""

    async def close(self) -> None:
        """Close every connection. Afterwards every `get` is a miss."""
