"""Decodes that begin together and are all waited for: one call with `n`, where the upstream tells each one's tokens.

The prompt is sent, read and billed once, and what a call costs on either side is paid once for all. What one call would
take away is not joined: a seed of its own, a growing text, an abort before the others' end. Where the call is lost,
each decode is asked for alone, so that one broken answer does not take its siblings with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from cogitate.server.engine.remote.errors import Down, Lost, Throttled
from cogitate.server.errors import ApiError
from cogitate.strategies.core.types import Completion, Prompt, Sampling

MOST = 64
"""Answers of one call: what hosted APIs take, and few enough that a lost one is no great loss."""
MOST_TOKENS = 65_536
"""Of one call: it is read in one go, a millisecond or a few."""
COLDEST = 0.01
"""Below this temperature vLLM takes the likeliest token, and then refuses to say it several times."""
Made = Sequence[Completion | Lost]
Fetch = Callable[[Prompt, Sampling, int], Awaitable[Made]]
"""So many decodes by one call; Lost in place of one that cannot be believed. Raises ApiError."""


def most(sampling: Sampling) -> int:
    """How many such decodes one call may be asked for."""
    warm = sampling.temperature is not None and sampling.temperature >= COLDEST
    own = sampling.seed is not None or sampling.partial or sampling.logprobs is not None or sampling.stop
    if not sampling.together or not warm or own or sampling.until or sampling.max_tokens is None:
        return 1
    return min(MOST, MOST_TOKENS // max(sampling.max_tokens, 1))


@dataclass(slots=True)
class Joint:
    """One call, and those who wait for it."""

    fetch: Callable[[int], Awaitable[Made]]
    seats: "list[asyncio.Future[Completion | None]]" = field(default_factory=list)
    _call: "asyncio.Task[None] | None" = None

    async def seat(self) -> Completion | None:
        """A decode of the call; None where it is to be asked for alone. The last who leaves ends the call."""
        seat: asyncio.Future[Completion | None] = asyncio.get_running_loop().create_future()
        self.seats.append(seat)
        try:
            return await seat
        except asyncio.CancelledError:
            if self._call and all(other.cancelled() for other in self.seats):
                self._call.cancel()
                with suppress(asyncio.CancelledError):
                    await self._call
            raise

    def begin(self) -> None:
        wanted = [seat for seat in self.seats if not seat.done()]
        if wanted:
            self._call = asyncio.get_running_loop().create_task(self._fetched(wanted))

    async def _fetched(self, wanted: "list[asyncio.Future[Completion | None]]") -> None:
        made: Sequence[Completion | Exception | None] = [None] * len(wanted)
        if len(wanted) > 1:
            try:
                made = await self.fetch(len(wanted))
            except Exception as failure:  # noqa: BLE001 whatever it is, those who wait must hear of it
                made = [None if alone(failure) else failure] * len(wanted)
        for seat, one in zip(wanted, made, strict=True):
            if seat.done():
                continue
            if isinstance(one, Exception):
                seat.set_exception(one)
            else:
                seat.set_result(one)


@dataclass(slots=True)
class Joints:
    """The calls of one request that are about to be made."""

    fetch: Fetch
    _open: dict[tuple[int, Sampling], Joint] = field(default_factory=dict)

    async def decode(self, prompt: Prompt, sampling: Sampling) -> Completion | None:
        """One of those that begin in the same turn of the loop; None where it is to be asked for alone."""
        if (limit := most(sampling)) < 2:
            return None
        key = (id(prompt), sampling)
        joint = self._open.get(key)
        if joint is None or len(joint.seats) == limit:
            joint = self._open[key] = Joint(lambda n: self.fetch(prompt, sampling, n))
            asyncio.get_running_loop().call_soon(self._begin, key, joint)
        return await joint.seat()

    def _begin(self, key: tuple[int, Sampling], joint: Joint) -> None:
        if self._open.get(key) is joint:
            del self._open[key]
        joint.begin()


def alone(failure: Exception) -> bool:
    """Whether each decode may fare better by itself, or hears then what is wrong with it."""
    return isinstance(failure, ApiError) and not isinstance(failure, Down | Throttled)
