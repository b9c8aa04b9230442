"""A Job is one admitted request. Jobs owns their tasks, so responses come and go without them.

The failure boundary: inside a job code raises plainly; here, and only here, a failure becomes data.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from cogitate.server.auth.caller import Caller
from cogitate.server.errors import ApiError, Cancelled, Internal, Late, Leaving, Overloaded, Upstream
from cogitate.server.safe_traceback import whereabouts
from cogitate.strategies.core.budget import BudgetExhausted
from cogitate.strategies.core.event_log import Place, Record
from cogitate.strategies.core.execute import NoAnswer
from cogitate.strategies.core.ports import SampleFailed

log = logging.getLogger("cogitate.jobs")
T = TypeVar("T")
AHEAD = 256
"""Events that a stream may be ahead of its slowest reader."""
PAUSE = 0.05
"""Seconds between two looks at whether a slow reader has caught up."""
ABORT_SECONDS = 5.0
"""What aborting may take at shutdown."""


@dataclass(slots=True, eq=False)
class Reader:
    """Somebody who waits for a job. `dropped` is set when the request is cancelled by name."""

    caller: Caller
    place: Place = field(default_factory=Place)
    """How far it has been told the record."""
    dropped: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@dataclass(slots=True, eq=False)
class Job(Generic[T]):
    """Work under way: its record, and in the end its result or its failure."""

    record: Record[Any]
    task: "asyncio.Task[None] | None" = None
    """None for what was finished before it began."""
    outcome: T | None = None
    failure: ApiError | None = None
    cached: bool = False
    """Its outcome is from the cache."""
    readers: list[Reader] = field(default_factory=list)
    _accepted: asyncio.Event = field(default_factory=asyncio.Event)

    def accept(self) -> None:
        """Nothing is wrong with the request itself: an answer may begin."""
        self._accepted.set()

    async def accepted(self) -> None:
        """Returns once the request is accepted. Raises the ApiError that it was refused with before that."""
        if self.task is not None:
            await self._accepted.wait()
        if self.failure and not self.record.entries:
            raise self.failure

    def when_done(self, act: Callable[[], object]) -> None:
        """Calls `act` once it has ended, however it ended."""
        assert self.task is not None
        self.task.add_done_callback(lambda _: act())

    @contextmanager
    def read(self, caller: Caller) -> Iterator[Reader]:
        """Somebody waits for it. When the last one leaves, unfinished work is cancelled."""
        reader = Reader(caller)
        self.readers.append(reader)
        try:
            yield reader
        finally:
            self.readers.remove(reader)
            if not self.readers:
                self.cancel()

    async def room(self) -> None:
        """Returns when no reader is more than AHEAD behind: what nobody reads need not be made."""
        while any(len(self.record.entries) - reader.place.at > AHEAD for reader in self.readers):
            await self.record.grown(PAUSE)

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()

    @property
    def done(self) -> bool:
        return self.task is None or self.task.done()

    @property
    def cancelled(self) -> bool:
        """It is being ended, or was: nobody may join it any more."""
        return self.task is not None and (self.task.cancelling() > 0 or self.task.cancelled())

    async def finished(self) -> None:
        """Returns when it has ended, however it ended; being cancelled here does not end it."""
        if self.task is not None:
            await asyncio.wait([self.task])

    def result(self) -> T:
        if self.outcome is None:
            raise self.failure or Cancelled()
        return self.outcome


@dataclass(slots=True)
class Jobs:
    limit: int
    live: "set[Job[Any]]" = field(default_factory=set)
    asides: "set[asyncio.Task[None]]" = field(default_factory=set)
    draining: bool = False
    ending: ApiError = field(default_factory=lambda: Leaving("The server is shutting down."))
    """What those are told that are not let finish."""

    def start(self, record: Record[Any], work: Callable[[Job[T]], Awaitable[T]]) -> Job[T]:
        """Admits a request or raises: Overloaded at the limit, Leaving while draining."""
        if self.draining:
            raise self.ending
        if len(self.live) >= self.limit:
            raise Overloaded("Too many requests are in flight; try again soon.")
        job: Job[T] = Job(record)
        job.task = asyncio.create_task(self._supervised(job, work))
        self.live.add(job)
        # A task that is cancelled before its first step runs none of its own code.
        job.task.add_done_callback(lambda _: self._ended(job))
        return job

    async def _supervised(self, job: Job[T], work: Callable[[Job[T]], Awaitable[T]]) -> None:
        try:
            job.outcome = await work(job)
        except Exception as failure:  # noqa: BLE001 the boundary
            job.failure = told(failure)

    def _ended(self, job: Job[Any]) -> None:
        if job.outcome is None and job.failure is None:
            job.failure = self.ending if self.draining else Cancelled()
        job.accept()
        job.record.close()
        self.live.discard(job)

    def cancel(self, tenant: str, request_id: str) -> int:
        """Ends the requests of this name; work that others wait for too goes on for them. How many there were."""
        meant = [
            (job, reader) for job in self.live for reader in job.readers if reader.caller.name == (tenant, request_id)
        ]
        for job, reader in meant:
            if not reader.dropped.done():
                reader.dropped.set_result(None)
            job.record.nudge()
            if all(other.dropped.done() for other in job.readers):
                job.cancel()
        return len(meant)

    def aside(self, work: Coroutine[object, object, None]) -> None:
        """Work that no answer waits for, such as keeping it in the cache."""
        task = asyncio.create_task(work)
        self.asides.add(task)
        task.add_done_callback(self.asides.discard)

    def abandon(self, why: ApiError) -> None:
        """Admits nothing more, and ends what is under way: it cannot be finished."""
        self.draining, self.ending = True, why
        for job in list(self.live):
            job.cancel()

    async def drain(self, grace: float) -> None:
        """Admits nothing more, gives the live ones `grace` seconds, then aborts them."""
        self.draining = True
        await self._wait(grace)
        for job in list(self.live):
            job.cancel()
        await self._wait(ABORT_SECONDS)

    async def _wait(self, seconds: float) -> None:
        if tasks := [job.task for job in self.live if job.task] + list(self.asides):
            await asyncio.wait(tasks, timeout=seconds)


def told(failure: Exception) -> ApiError:
    """What a client may know of a failure. Ours are logged with their cause, which never reaches a client."""
    match failure:
        case ApiError():
            return failure
        case NoAnswer() | TimeoutError():
            return Late("The deadline passed before there was any answer.")
        case BudgetExhausted():
            return Late("The token budget ended before there was any answer.", code="budget_exhausted")
        case SampleFailed():
            return Upstream("The engine lost every sample of this request.")
    log.error("a request failed: %s", whereabouts(failure))
    return Internal()
