"""One admitted request: its task, what it records, who waits for it, and its outcome."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from cogitate.server.auth.caller import Caller
from cogitate.server.errors import ApiError, RequestCancelled
from cogitate.server.observability.request_span import RequestSpan
from cogitate.server.protocol.json import unix_time
from cogitate.strategies.core.event_log import Cursor, EventLog
from cogitate.strategies.core.interrupt import Interrupt

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class JobReader:
    """A request that waits for a job. `dropped` is set when that request is cancelled by name."""

    caller: Caller
    alias: str = ""
    """Another id that it can be cancelled by; empty where it has none."""
    place: Cursor = field(default_factory=Cursor)
    """The position in the record up to which it has read."""
    dropped: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def has_name(self, tenant: str, request_id: str) -> bool:
        return tenant == self.caller.tenant and request_id in (self.caller.request_id, self.alias)


@dataclass(slots=True, eq=False)
class Job(Generic[T]):
    """A task, the record that it writes, and finally its result or its failure."""

    record: EventLog[Any]
    task: "asyncio.Task[None] | None" = None
    """None where the outcome was known before the job began."""
    outcome: T | None = None
    failure: ApiError | None = None
    cached: bool = False
    """The outcome is from the cache."""
    readers: list[JobReader] = field(default_factory=list)
    interrupt: Interrupt | None = None
    """Ends its search early; None where it has none."""
    key: str | None = None
    """The cache key by which jobs of other processes wait for its result."""
    has_begun: bool = False
    """Whether it has had its turn at the engine."""
    on_begin: Callable[[float], None] | None = None
    """Called at its first turn with the seconds since its admission."""
    span: RequestSpan | None = None
    """That of the request which began it; None where that is not traced."""
    tokens: int | None = None
    """Tokens that it has decoded, once that is known."""
    admitted: float = field(default_factory=time.monotonic)
    _accepted: asyncio.Event = field(default_factory=asyncio.Event)
    _turn: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at the begin of the work, and at its end."""
    _end_time: int | None = None

    def stamp_end(self) -> int:
        """Return the Unix time of the end: that of the first call, so that every rendering has the same."""
        if self._end_time is None:
            self._end_time = unix_time()
        return self._end_time

    def begin(self) -> None:
        """Declares that the work has begun: it no longer waits for its turn."""
        if not self.has_begun and self.on_begin:
            self.on_begin(time.monotonic() - self.admitted)
        self.has_begun = True
        self._turn.set()

    async def wait_for_begin(self, reader: JobReader) -> None:
        """Return once the work has begun, or the job or its reader has ended."""
        if self.task is None:
            return
        turn: asyncio.Future[Any] = asyncio.ensure_future(self._turn.wait())
        try:
            await asyncio.wait([turn, reader.dropped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            turn.cancel()

    def accept(self) -> None:
        """Declares the request valid: a streamed response may begin."""
        self._accepted.set()

    def end(self) -> None:
        """Release whoever waits for the job, whose task has ended."""
        self.accept()
        self._turn.set()
        self.record.close()

    async def wait_for_acceptance(self) -> None:
        """Return once the request is accepted. Raises the ApiError that it was refused with before that."""
        if self.task is not None:
            await self._accepted.wait()
        if self.failure and not self.record.has_news:
            raise self.failure

    def add_end_callback(self, callback: Callable[[], object]) -> None:
        """Call `callback` once the task has ended, whether it succeeded, failed or was cancelled."""
        assert self.task is not None
        self.task.add_done_callback(lambda _: callback())

    @contextmanager
    def read(self, caller: Caller, *, alias: str = "") -> Iterator[JobReader]:
        """Register a reader for the length of the block. An unfinished job without readers is cancelled."""
        reader = JobReader(caller, alias)
        self.readers.append(reader)
        try:
            yield reader
        finally:
            self.readers.remove(reader)
            if not self.readers:
                self.cancel()

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()

    def end_search(self, reason: Literal["asked", "draining"]) -> None:
        """End its search, where it has one, with the best so far."""
        if self.interrupt is not None:
            self.interrupt.request(reason)

    @property
    def is_done(self) -> bool:
        return self.task is None or self.task.done()

    @property
    def is_cancelled(self) -> bool:
        """Whether it was cancelled or is being cancelled: no request may join it any more."""
        return self.task is not None and (self.task.cancelling() > 0 or self.task.cancelled())

    async def wait(self) -> None:
        """Return when the task has ended in any way. Cancelling this call does not cancel the task."""
        if self.task is not None:
            await asyncio.wait([self.task])

    def result(self) -> T:
        """The outcome. Raises the job's ApiError, or RequestCancelled."""
        if self.outcome is None:
            raise self.failure or RequestCancelled()
        return self.outcome
