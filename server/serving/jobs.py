"""Tasks of admitted requests: start, join, answer now, cancel and drain them.

A `Job` is one admitted request. `Jobs` owns its task, so that HTTP responses may come and go without ending it. This is
the failure boundary: code inside a job raises plainly, and only here an exception becomes data.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cogitate.server.errors import (
    ApiError,
    DeadlineExceeded,
    InternalError,
    Overloaded,
    RequestCancelled,
    ShuttingDown,
    UpstreamError,
)
from cogitate.server.observability.logs import log_failure
from cogitate.server.serving.job import Job, JobReader
from cogitate.strategies.core.budget import BudgetExhausted
from cogitate.strategies.core.event_log import EventLog
from cogitate.strategies.core.execute import NoOutcome
from cogitate.strategies.core.ports import SampleFailed

log = logging.getLogger("cogitate.jobs")
T = TypeVar("T")
ABORT_SECONDS = 5.0
"""How long aborting may take at shutdown."""
BEST_SO_FAR_SECONDS = 1.0
"""Part of the drain time, at most half of it, in which searches end with their best so far."""


@dataclass(slots=True)
class Jobs:
    """The jobs of this process, at most `limit` at once."""

    limit: int
    live: "set[Job[Any]]" = field(default_factory=set)
    background: "set[asyncio.Task[None]]" = field(default_factory=set)
    draining: bool = False
    drain_error: ApiError = field(default_factory=lambda: ShuttingDown("The server is shutting down."))
    """The failure of jobs that are refused or aborted while draining."""

    def start(self, record: EventLog[Any], work: Callable[[Job[T]], Awaitable[T]]) -> Job[T]:
        """Admits a request. Raises Overloaded at the limit and `drain_error` while draining."""
        if self.draining:
            raise self.drain_error
        if len(self.live) >= self.limit:
            raise Overloaded("Too many requests are in flight; try again soon.", limit="server_requests")
        job: Job[T] = Job(record)
        job.task = asyncio.create_task(self._supervise(job, work))
        self.live.add(job)
        # A task that is cancelled before its first step runs none of its own code.
        job.task.add_done_callback(lambda _: self._finish(job))
        return job

    async def _supervise(self, job: Job[T], work: Callable[[Job[T]], Awaitable[T]]) -> None:
        try:
            job.outcome = await work(job)
        except Exception as failure:  # noqa: BLE001 the failure boundary
            is_drained = self.draining and isinstance(failure, NoOutcome)
            job.failure = self.drain_error if is_drained else to_api_error(failure)

    def _finish(self, job: Job[Any]) -> None:
        if job.outcome is None and job.failure is None:
            job.failure = self.drain_error if self.draining else RequestCancelled()
        job.end()
        self.live.discard(job)

    def cancel(self, tenant: str, request_id: str) -> int:
        """Cancel the tenant's requests of this id and return their number.

        A job that other requests wait for too goes on for those.
        """
        matches = self._find(tenant, request_id)
        for job, reader in matches:
            if not reader.dropped.done():
                reader.dropped.set_result(None)
            job.record.wake()
            if all(each.dropped.done() for each in job.readers):
                job.cancel()
        return len(matches)

    def ask(self, tenant: str, request_id: str) -> "list[Job[Any]]":
        """End the searches of the tenant's requests of this id with their best so far, and return their jobs.

        Every request that waits for such a search gets that answer.
        """
        jobs = [job for job, reader in self._find(tenant, request_id) if job.interrupt and not reader.dropped.done()]
        for job in jobs:
            job.end_search("asked")
        return jobs

    def ask_by_key(self, keys: Collection[object]) -> None:
        """End the searches of these cache keys, for requests that wait for them in another process."""
        for job in self.live:
            if job.key is not None and job.key in keys:
                job.end_search("asked")

    def _find(self, tenant: str, request_id: str) -> "list[tuple[Job[Any], JobReader]]":
        return [(job, reader) for job in self.live for reader in job.readers if reader.has_name(tenant, request_id)]

    def run_in_background(self, work: Coroutine[object, object, None]) -> None:
        """Run work that no response waits for, such as a write to the cache. `drain` waits for it."""
        task = asyncio.create_task(work)
        self.background.add(task)
        task.add_done_callback(self.background.discard)

    def abandon(self, error: ApiError) -> None:
        """Admits nothing more and cancels all jobs; `error` becomes their failure."""
        self.drain_error = error
        self.abort()

    def abort(self) -> None:
        """Admits nothing more and cancels all jobs."""
        self.draining = True
        for job in list(self.live):
            job.cancel()

    async def drain(self, grace: float) -> None:
        """Admits nothing more, and lets live jobs run for `grace` seconds.

        In the last second searches end with their best so far; what then still runs is aborted.
        """
        self.draining = True
        reserve = min(BEST_SO_FAR_SECONDS, grace / 2)
        await self._wait(grace - reserve)
        for job in self.live:
            job.end_search("draining")
        await self._wait(reserve)
        for job in list(self.live):
            job.cancel()
        await self._wait(ABORT_SECONDS)

    async def _wait(self, seconds: float) -> None:
        if tasks := [job.task for job in self.live if job.task] + list(self.background):
            await asyncio.wait(tasks, timeout=seconds)


def to_api_error(failure: Exception) -> ApiError:
    """Map an exception to the error that the client gets.

    An unforeseen exception is logged with its origin and becomes InternalError: its message never reaches a client.
    """
    match failure:
        case ApiError():
            return failure
        case NoOutcome(reason="budget") | BudgetExhausted():
            return DeadlineExceeded("The token budget ended before there was any answer.", code="budget_exhausted")
        case NoOutcome(reason="asked" | "draining"):
            return DeadlineExceeded("The search was ended before there was any answer.")
        case NoOutcome() | TimeoutError():
            return DeadlineExceeded("The deadline passed before there was any answer.")
        case SampleFailed():
            return UpstreamError("The engine lost every sample of this request.")
    log_failure(log, failure)
    return InternalError()
