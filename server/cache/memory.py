"""The cache inside this process: least recently used goes first."""

import time
from collections import OrderedDict
from collections.abc import Callable

MOST_BYTES = 64 * 1024 * 1024


class MemoryCache:
    """At most `entries` values, `bytes_limit` bytes with their keys, each for at most `ttl` seconds of `clock`."""

    shared = False

    def __init__(
        self,
        *,
        entries: int = 4096,
        bytes_limit: int = MOST_BYTES,
        ttl: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit, self._bytes_limit, self._ttl, self._clock = entries, bytes_limit, ttl, clock
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._size = 0

    async def get(self, key: str) -> bytes | None:
        if key not in self._entries:
            return None
        expiry, value = self._entries[key]
        if self._clock() >= expiry:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return value

    async def put(self, key: str, value: bytes, *, seconds: int | None = None) -> bool:
        if key in self._entries:
            self._drop(key)
        self._entries[key] = self._clock() + (seconds or self._ttl), value
        self._size += len(key) + len(value)
        while len(self._entries) > self._limit or self._size > self._bytes_limit:
            self._drop(next(iter(self._entries)))
        return key in self._entries

    async def claim(self, key: str) -> bool:
        return True  # who shares this memory waits for the same job

    async def renew(self, key: str) -> None:
        pass

    async def release(self, key: str) -> None:
        pass

    async def close(self) -> None:
        self._entries.clear()
        self._size = 0

    def _drop(self, key: str) -> None:
        _, value = self._entries.pop(key)
        self._size -= len(key) + len(value)
