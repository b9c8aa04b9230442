"""A mapping that is bounded in size and in time, on cachetools' TLRUCache."""

import time
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from cachetools import TLRUCache

K = TypeVar("K")
V = TypeVar("V")


class _Entry(NamedTuple, Generic[V]):
    value: V
    size: int
    seconds: float


class BoundedCache(Generic[K, V]):
    """Holds values up to `max_size` together, each for `ttl` seconds of `clock` since it was last put.

    `size_of` measures an entry, in the unit of `max_size`; by default each counts as one. The least recently used entry
    is evicted first. Not thread-safe.
    """

    def __init__(
        self,
        max_size: int,
        ttl: float,
        *,
        size_of: Callable[[K, V], int] = lambda key, value: 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ttl = ttl
        self._size_of = size_of
        self._entries: TLRUCache[K, _Entry[V]] = TLRUCache(
            max_size, ttu=lambda _, entry, now: now + entry.seconds, timer=clock, getsizeof=lambda entry: entry.size
        )

    def get(self, key: K) -> V | None:
        entry = self._entries.get(key)
        return None if entry is None else entry.value

    def put(self, key: K, value: V, *, seconds: float | None = None) -> bool:
        """Replace the value of `key`. Returns False, and holds nothing under `key`, where it is larger than the limit.

        `seconds`: a time to live other than `ttl`.
        """
        entry = _Entry(value, self._size_of(key, value), self.ttl if seconds is None else seconds)
        if entry.size > self._entries.maxsize:
            self.discard(key)
            return False
        self._entries[key] = entry
        return True

    def discard(self, key: K) -> None:
        self._entries.pop(key, None)

    def clear(self) -> None:
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """The sizes of all entries together."""
        self._entries.expire()
        return int(self._entries.currsize)
