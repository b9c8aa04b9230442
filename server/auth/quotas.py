"""The limits of a key that count over time, or over all of its requests at once, in all processes that share a Redis.

A minute or a day begins with the first request that is counted in it. Tokens are those that a request decodes: what it
may cost at most is taken before it starts, and what it did not use is given back when it ends, so that a limit is
never exceeded. Not the `limits` library: its counters in Redis are scripts, which many servers forbid.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from cogitate.server.auth.caller import Caller
from cogitate.server.auth.rate_limit import Headers
from cogitate.server.cache import Count, Counters, LocalCounters
from cogitate.server.errors import Limit, Overloaded

SHARE_SECONDS = 30
"""How long the generations of a process count that has ended without giving them back."""
RENEW_SECONDS = 10.0
MAX_RETRY_PAUSE_SECONDS = 0.02
"""What another process has taken and gives back at once may have been in the way: a second look is a little later."""


class Window(NamedTuple):
    """A time over which something is counted."""

    name: str
    seconds: int


MINUTE, DAY = Window("minute", 60), Window("day", 86_400)


class Taken(NamedTuple):
    """Tokens that were taken from a window."""

    window: Window
    tokens: int
    end: float
    """When the window ends, by the quotas' clock: what is given back later would count for the next one."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What an admitted request has taken."""

    key: str
    tokens: tuple[Taken, ...] = ()
    width: int = 0
    """Generations that count against the key's limit in all processes; 0: it has none."""


@dataclass(slots=True)
class Quotas:
    """Counts requests, tokens and generations by the id of their key."""

    counters: Counters = field(default_factory=LocalCounters)
    clock: Callable[[], float] = time.monotonic
    generations: dict[str, int] = field(default_factory=dict)
    """Those in flight in this process, of keys with a limit."""

    async def take_request(self, key: str, per_minute: int) -> Headers:
        """Count a request. Returns OpenAI's `x-ratelimit-*-requests` headers. Raises Overloaded."""
        count = await self.counters.add(f"requests:{MINUTE.name}:{key}", 1, MINUTE.seconds)
        if count.value > per_minute:
            raise build_error(f"{per_minute} requests a minute", count.seconds_left, "key_requests")
        left = {"limit": str(per_minute), "remaining": str(per_minute - count.value)}
        values = {**left, "reset": f"{count.seconds_left:.1f}s"}
        return tuple((f"x-ratelimit-{header}-requests".encode(), value.encode()) for header, value in values.items())

    async def admit(self, caller: Caller, cost: int, width: int) -> Admission:
        """Take the tokens that a request may cost at most, and its generations. Raises Overloaded."""
        key, limits, taken = caller.key, caller.limits, list[Taken]()
        try:
            for window, limit in ((MINUTE, limits.tokens_per_minute), (DAY, limits.tokens_per_day)):
                if limit is not None:
                    taken.append(await self._take_tokens(key, window, limit, cost))
            if limits.generations is not None:
                await self._take_generations(key, width, limits.generations)
        except BaseException:
            await self.settle(Admission(key, tuple(taken)), 0)
            raise
        return Admission(key, tuple(taken), 0 if limits.generations is None else width)

    def release(self, admission: Admission) -> None:
        """Let the generations of an ended request no longer count in this process; `settle` tells the others."""
        if admission.width:
            self._count_generations(admission.key, -admission.width)

    async def settle(self, admission: Admission, used: int | None) -> None:
        """Count the tokens that a request has decoded, and give back what else it took. `release` comes before.

        None: nobody knows; what it could cost counts.
        """
        used = max((taken.tokens for taken in admission.tokens), default=0) if used is None else used
        for taken in admission.tokens:
            if self.clock() < taken.end and taken.tokens != used:
                await self.counters.add(
                    name_tokens(admission.key, taken.window), used - taken.tokens, taken.window.seconds
                )
        limited = [taken.window for taken in admission.tokens]
        for window in (MINUTE, DAY):
            if window not in limited and used:
                await self.counters.add(name_tokens(admission.key, window), used, window.seconds)
        if admission.width:
            await self.counters.share(name_generations(admission.key), -admission.width, SHARE_SECONDS)

    async def renew(self) -> None:
        """Tell the other processes, until cancelled, that this one's generations still run."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            for key, count in list(self.generations.items()):
                await self.counters.renew(name_generations(key), count, SHARE_SECONDS)

    async def read(self, key: str) -> dict[str, Count]:
        """Return what is counted in the current windows, by the name of the limit."""
        names = {
            "requests_per_minute": (f"requests:{MINUTE.name}:{key}", MINUTE),
            "tokens_per_minute": (name_tokens(key, MINUTE), MINUTE),
            "tokens_per_day": (name_tokens(key, DAY), DAY),
        }
        return {limit: await self.counters.add(name, 0, window.seconds) for limit, (name, window) in names.items()}

    async def _take_tokens(self, key: str, window: Window, limit: int, cost: int) -> Taken:
        count = await self.counters.add(name_tokens(key, window), cost, window.seconds)
        if count.value > limit:
            await self.counters.add(name_tokens(key, window), -cost, window.seconds)
            raise build_error(f"{limit} tokens a {window.name}", count.seconds_left, "key_tokens")
        return Taken(window, cost, self.clock() + count.seconds_left)

    async def _take_generations(self, key: str, width: int, limit: int) -> None:
        for _ in range(2):
            if self.generations.get(key, 0) + width > limit:
                break
            self._count_generations(key, width)
            try:
                total = await self.counters.share(name_generations(key), width, SHARE_SECONDS)
            except BaseException:
                self._count_generations(key, -width)
                raise
            if total is None or total <= limit:
                return
            await self._give_back_generations(key, width)
            await asyncio.sleep(random.uniform(0, MAX_RETRY_PAUSE_SECONDS))  # noqa: S311 no secret
        raise Overloaded(
            f"This key may have {limit} generations in flight, and this request wants {width} more; "
            "try again when another of its requests has ended.",
            limit="key_generations",
        )

    async def _give_back_generations(self, key: str, width: int) -> None:
        self._count_generations(key, -width)
        await self.counters.share(name_generations(key), -width, SHARE_SECONDS)

    def _count_generations(self, key: str, change: int) -> None:
        self.generations[key] = self.generations.get(key, 0) + change
        if not self.generations[key]:
            del self.generations[key]


def name_generations(key: str) -> str:
    return f"generations:{key}"


def name_tokens(key: str, window: Window) -> str:
    return f"tokens:{window.name}:{key}"


def build_error(limit: str, seconds_left: float, kind: Limit) -> Overloaded:
    wait = max(1, math.ceil(seconds_left))
    return Overloaded(f"More than {limit}; try again in {wait} s.", retry_after=wait, limit=kind)
