"""Values shared for a limited time: in Redis where a URL is configured, else inside this process.

A cache never fails or blocks a request: whatever breaks inside it is a miss, or a value that is not stored.
The key of an answer is made in `server/planning/cache_key.py`.
"""

from collections.abc import Callable

from cogitate.server.cache.base import CLAIM_SECONDS, Cache
from cogitate.server.cache.bounded import BoundedCache
from cogitate.server.cache.counters import Count, Counters, LocalCounters, open_counters
from cogitate.server.cache.memory import DEFAULT_MAX_BYTES, MemoryCache
from cogitate.server.cache.pubsub_rpc import NoPeers, PeerRpc, RedisPeerRpc
from cogitate.server.cache.redis import RedisCache

__all__ = [
    "CLAIM_SECONDS",
    "BoundedCache",
    "Cache",
    "Count",
    "Counters",
    "LocalCounters",
    "MemoryCache",
    "NoPeers",
    "PeerRpc",
    "RedisCache",
    "open_cache",
    "open_counters",
    "open_peer_rpc",
]


def open_cache(
    url: str | None,
    *,
    ttl: int,
    on_fault: Callable[[str], None],
    secret: bytes | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> Cache:
    """Return a cache whose values live for `ttl` seconds, in Redis at `url`, or in at most `max_bytes` of memory.

    Connects to nothing yet. `on_fault` is called with "corrupt" for each value found that this server did not write,
    and with "unavailable" for each call that Redis did not serve. With a `secret` values are signed: write access to
    Redis alone is not enough to forge an answer. Raises ValueError for an unusable URL.
    """
    if url is None:
        return MemoryCache(ttl=ttl, max_bytes=max_bytes)
    return RedisCache(url, ttl=ttl, on_fault=on_fault, secret=secret)


def open_peer_rpc(url: str | None, *, on_fault: Callable[[str], None], secret: bytes | None = None) -> PeerRpc:
    """Return the way to the server processes that share the Redis at `url`; arguments as for `open_cache`."""
    return NoPeers() if url is None else RedisPeerRpc(url, on_fault=on_fault, secret=secret)
