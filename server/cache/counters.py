"""Counters that end by themselves: in Redis, for all server processes that share it, or in this process.

Plain commands alone, so that they work where Redis forbids scripts: the start of a window is `SET NX EX`, so that it
runs by the clock of Redis, and `INCRBY` gives every caller a value of its own. No two callers can take the last unit.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple, Protocol

from cachetools import TLRUCache

from cogitate.server.cache.bounded import BoundedCache
from cogitate.server.cache.circuit_breaker import CircuitBreaker
from cogitate.server.cache.redis_client import PREFIX, RedisClient

AT = ":at"
"""Suffix of the field that has the time of a process's last change, beside the field of its share."""
TIMEOUT_SECONDS = 0.5
"""Longer than for the cache: while a call is given up, other processes do not know of what it counts."""
MAX_CLOCK_SECONDS = 1.0
"""How much later than by this process's clock a counter may end by that of Redis."""
MAX_COUNTERS = 100_000
"""Beyond this number, in one process, the least recently used counter is dropped."""


class Count(NamedTuple):
    """A counter's value, and the seconds until it ends."""

    value: int
    seconds_left: float


class Counters(Protocol):
    """Counters by name. A counter begins, at 0, when it is first added to, and ends `seconds` later.

    No method raises or waits for long because Redis is broken: then the counters of this process alone are used.
    """

    async def add(self, name: str, amount: int, seconds: int) -> Count:
        """Add to a counter, and return what it is then. An amount of 0 reads it."""

    async def share(self, name: str, change: int, seconds: int) -> int | None:
        """Change this process's share of a sum, and return the sum over all processes; None where there is one.

        A process that has not changed or renewed its share for `seconds` has none.
        """

    async def renew(self, name: str, amount: int, seconds: int) -> None:
        """Set this process's share, which Redis may have lost."""

    async def close(self) -> None:
        """Close every connection."""


class LocalCounters:
    """Implements `Counters` in this process, by `clock`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: TLRUCache[str, tuple[int, float]] = TLRUCache(
            MAX_COUNTERS, ttu=lambda _, count, now: count[1], timer=clock
        )

    async def add(self, name: str, amount: int, seconds: int) -> Count:
        now = self._clock()
        value, end = self._counts.get(name) or (0, now + seconds)
        self._counts[name] = value + amount, end
        return Count(value + amount, end - now)

    def align(self, name: str, seconds_left: float) -> None:
        """Lets a counter end with that of Redis, which another process may have begun."""
        if count := self._counts.get(name):
            self._counts[name] = count[0], self._clock() + seconds_left

    async def share(self, name: str, change: int, seconds: int) -> int | None:
        return None

    async def renew(self, name: str, amount: int, seconds: int) -> None: ...

    async def close(self) -> None: ...


class RedisCounters:
    """Implements `Counters` in Redis. Each call is counted in this process too, for when Redis is down.

    `on_fault` is called with "unavailable" for each call that Redis did not serve. Raises ValueError for an unusable
    URL.
    """

    def __init__(
        self,
        url: str,
        *,
        process: str,
        on_fault: Callable[[str], None],
        timeout: float = TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.time,  # noqa: TID251 other processes compare it with theirs
    ) -> None:
        """`process`: the name of this process's shares. `clock`: that by which processes see whether a share is old."""
        self._client = RedisClient(url, on_fault, timeout=timeout)
        self._local, self._breaker = LocalCounters(), CircuitBreaker()
        self._unsent = BoundedCache[str, int](MAX_COUNTERS, 0)
        """What Redis did not take, by counter: it is added with the next call, in the same window."""
        self._process, self._clock = process, clock

    async def add(self, name: str, amount: int, seconds: int) -> Count:
        here = await self._local.add(name, amount, seconds)
        sent = amount + self._take_unsent(name)
        count = await self._client.attempt("count in", self._breaker, lambda: self._add(name, sent, seconds))
        if count is None:
            self._unsent.put(name, sent + self._take_unsent(name), seconds=here.seconds_left)
            return here
        if count.seconds_left > here.seconds_left + MAX_CLOCK_SECONDS:
            # Redis has lost the counter, and begun it anew.
            self._unsent.put(name, here.value - sent, seconds=here.seconds_left)
            return here
        self._local.align(name, count.seconds_left)
        return count

    def _take_unsent(self, name: str) -> int:
        unsent = self._unsent.get(name) or 0
        self._unsent.discard(name)
        return unsent

    async def share(self, name: str, change: int, seconds: int) -> int | None:
        shares = await self._client.attempt("count in", self._breaker, lambda: self._share(name, change, seconds))
        return None if shares is None else sum(shares.values())

    async def renew(self, name: str, amount: int, seconds: int) -> None:
        shares = await self._client.attempt("count in", self._breaker, lambda: self._share(name, 0, seconds))
        if shares is not None and (missing := amount - shares.get(self._process, 0)):
            await self.share(name, missing, seconds)

    async def close(self) -> None:
        await self._client.close()

    async def _add(self, name: str, amount: int, seconds: int) -> Count:
        key = f"{PREFIX}count:{name}"
        async with self._client.redis.pipeline(transaction=False) as pipeline:
            pipeline.set(key, b"0", ex=seconds, nx=True)
            pipeline.incrby(key, amount)
            pipeline.pttl(key)
            _, value, milliseconds = await pipeline.execute()
        return Count(int(value), max(0.0, int(milliseconds) / 1000))

    async def _share(self, name: str, change: int, seconds: int) -> dict[str, int]:
        """Return the shares by process. In one transaction, so that of two processes one comes first."""
        key, now = f"{PREFIX}share:{name}", self._clock()
        async with self._client.redis.pipeline(transaction=True) as pipeline:
            pipeline.hincrby(key, self._process, change)
            pipeline.hset(key, f"{self._process}{AT}", f"{now:.3f}")
            pipeline.expire(key, 2 * seconds)
            pipeline.hgetall(key)
            *_, fields = await pipeline.execute()
        return parse_shares(fields, now - seconds)


def parse_shares(fields: Mapping[bytes, bytes], oldest: float) -> dict[str, int]:
    """Return the shares by process, without those that are older than `oldest`, or garbage."""
    shares = dict[str, int]()
    for name, value in fields.items():
        with suppress(ValueError):
            if not name.endswith(AT.encode()) and float(fields.get(name + AT.encode(), b"0")) >= oldest:
                shares[name.decode(errors="replace")] = int(value)
    return shares


def open_counters(url: str | None, *, process: str, on_fault: Callable[[str], None]) -> Counters:
    """Return counters of all processes that share the Redis at `url`, or of this one. Raises ValueError."""
    return LocalCounters() if url is None else RedisCounters(url, process=process, on_fault=on_fault)
