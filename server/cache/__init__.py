"""Finished answers, kept for whoever asks the same again: in Redis when there is a URL, in this process otherwise.

A cache is never a reason to fail or to wait: whatever breaks inside it is a miss, or a value not kept.
"""

from collections.abc import Callable
from typing import Protocol

from cogitate.server.cache.memory import MOST_BYTES, MemoryCache
from cogitate.server.cache.pubsub_rpc import Alone, Line, RedisLine
from cogitate.server.cache.redis import CLAIM_SECONDS, RedisCache

__all__ = ["CLAIM_SECONDS", "Alone", "Cache", "Line", "MemoryCache", "RedisCache", "open_cache", "open_line"]


class Cache(Protocol):
    shared: bool
    """Other processes may have it too."""

    async def get(self, key: str) -> bytes | None:
        """The value last put under `key`, byte for byte; None when there is none, or none that can be trusted."""

    async def put(self, key: str, value: bytes, *, seconds: int | None = None) -> bool:
        """Keep a complete answer for a while, or for so long. Whether it is kept: it may be too large, or unserved.

        It may be dropped at any time.
        """

    async def claim(self, key: str) -> bool:
        """Whether the caller is to find this answer: nobody else does, or nobody can tell. Ends by itself."""

    async def renew(self, key: str) -> None:
        """The caller still finds it."""

    async def release(self, key: str) -> None:
        """The caller is done, or has given up."""

    async def close(self) -> None:
        """Let go of every connection."""


def open_cache(
    url: str | None,
    *,
    ttl: int,
    on_fault: Callable[[str], None],
    secret: bytes | None = None,
    kept_bytes: int = MOST_BYTES,
) -> Cache:
    """A cache whose entries live `ttl` seconds. Connects to nothing yet; ValueError for a URL that cannot be used.

    `on_fault` is told "corrupt" for each value found that we did not write so, and "unavailable" for each get or put
    that Redis did not serve. With a `secret`, whoever can write to Redis but does not know it cannot forge an answer.
    """
    if url is None:
        return MemoryCache(ttl=ttl, bytes_limit=kept_bytes)
    return RedisCache(url, ttl=ttl, on_fault=on_fault, secret=secret)


def open_line(url: str | None, *, on_fault: Callable[[str], None], secret: bytes | None = None) -> Line:
    """To the other processes over the same Redis, with what `open_cache` takes."""
    return Alone() if url is None else RedisLine(url, on_fault=on_fault, secret=secret)
