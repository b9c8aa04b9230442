"""A Job is one admitted request. Jobs owns their tasks, so responses come and go without them.

The failure boundary: inside a job code raises plainly; here, and only here, a failure becomes data.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from server.errors import ApiError, Internal, Late, Overloaded, Unready, Upstream
from strategies.budget import BudgetExhausted
from strategies.execute import NoAnswer
from strategies.ports import SampleFailed
from strategies.trace import Trace

log = logging.getLogger("cogitate.jobs")
T = TypeVar("T")
ABORT_SECONDS = 5.0
"""What aborting may take at shutdown."""


@dataclass(slots=True, eq=False)
class Job(Generic[T]):
    """Work under way: its record, and in the end its result or its failure."""

    trace: Trace
    task: "asyncio.Task[Any]" = field(init=False)
    outcome: T | None = None
    failure: ApiError | None = None

    def cancel(self) -> None:
        self.task.cancel()

    async def finished(self) -> None:
        """Returns when it has ended, however it ended; being cancelled here does not end it."""
        await asyncio.wait([self.task])

    def result(self) -> T:
        if self.failure:
            raise self.failure
        assert self.outcome is not None
        return self.outcome


@dataclass(slots=True)
class Jobs:
    limit: int
    live: "set[Job[Any]]" = field(default_factory=set)
    asides: "set[asyncio.Task[None]]" = field(default_factory=set)
    draining: bool = False

    def start(self, trace: Trace, work: Callable[[], Awaitable[T]]) -> Job[T]:
        """Admits a request or raises: Overloaded at the limit, Unready while draining."""
        if self.draining:
            raise Unready("The server is shutting down.")
        if len(self.live) >= self.limit:
            raise Overloaded("Too many requests are in flight; try again soon.")
        job: Job[T] = Job(trace)

        async def supervise() -> None:
            try:
                job.outcome = await work()
            except asyncio.CancelledError:
                job.failure = Unready("The request was cancelled.", code="cancelled")
            except Exception as failure:  # noqa: BLE001 the boundary
                job.failure = told(failure)
            finally:
                trace.close()
                self.live.discard(job)

        job.task = asyncio.create_task(supervise())
        self.live.add(job)
        return job

    @contextmanager
    def holding(self) -> Iterator[None]:
        """The running task is work under way until the block is left: it is drained like a job."""
        task = asyncio.current_task()
        assert task is not None
        job: Job[None] = Job(Trace())
        job.task = task
        self.live.add(job)
        try:
            yield
        finally:
            self.live.discard(job)

    def aside(self, work: Coroutine[object, object, None]) -> None:
        """Work that no answer waits for, such as keeping it in the cache."""
        task = asyncio.create_task(work)
        self.asides.add(task)
        task.add_done_callback(self.asides.discard)

    async def drain(self, grace: float) -> None:
        """Admits nothing more, gives the live ones `grace` seconds, then aborts them."""
        self.draining = True
        if self.live:
            await asyncio.wait([job.task for job in self.live], timeout=grace)
        for job in list(self.live):
            job.cancel()
        if rest := [job.task for job in self.live] + list(self.asides):
            await asyncio.wait(rest, timeout=ABORT_SECONDS)


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
    log.error("a request failed", exc_info=failure)
    return Internal("Something went wrong on our side.")
