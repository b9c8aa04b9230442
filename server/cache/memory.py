"""The cache inside this process: least recently used values are evicted first."""

import time
from collections.abc import Callable

from cogitate.server.cache.bounded import BoundedCache

DEFAULT_MAX_BYTES = 64 * 1024 * 1024
ENTRY_OVERHEAD_BYTES = 512
"""What an entry takes beside the characters of its key and the bytes of its value, measured with tracemalloc."""


class MemoryCache:
    """Implements `Cache` with at most `max_bytes` of memory; values live for `ttl` seconds of `clock`."""

    shared = False

    def __init__(
        self,
        *,
        max_bytes: int = DEFAULT_MAX_BYTES,
        ttl: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._values = BoundedCache[str, bytes](
            max_bytes, ttl, size_of=lambda key, value: len(key) + len(value) + ENTRY_OVERHEAD_BYTES, clock=clock
        )

    async def get(self, key: str) -> bytes | None:
        return self._values.get(key)

    async def put(self, key: str, value: bytes, *, seconds: int | None = None) -> bool:
        return self._values.put(key, value, seconds=seconds)

    async def claim(self, key: str) -> bool:
        """Return True: within one process, equal requests share a job and need no claim."""
        return True

    async def renew(self, key: str) -> None:
        pass

    async def release(self, key: str) -> None:
        pass

    async def close(self) -> None:
        self._values.clear()
