"""Relays a plain request: the engine's own response, buffered or streamed."""

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

import orjson

from cogitate.server.engine import Backend, Body, Events, HasApplication, ReportsUsage
from cogitate.server.observability.metrics import Metrics
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.decisions import DecisionRequest
from cogitate.server.protocol.json import dumps
from cogitate.server.protocol.plain_body import PlainBody
from cogitate.server.serving.copy_choices import copy_choices, copy_events
from cogitate.server.serving.fair_queue import Slots
from cogitate.server.serving.job import Job
from cogitate.server.serving.jobs import Jobs
from cogitate.server.serving.relay_log import RelayLog
from cogitate.server.serving.single_flight import SingleFlight
from cogitate.server.serving.trace_registry import TraceRegistry
from cogitate.strategies.core.event_log import EventLog


@dataclass(frozen=True, slots=True)
class PlainRelay:
    """Answers plans without a strategy."""

    backend: Backend
    jobs: Jobs
    slots: Slots
    salts: Callable[[str], str] | None
    """None: there is one tenant, whose requests need no salt."""
    flights: SingleFlight
    traces: TraceRegistry
    metrics: Metrics

    def start(self, plan: Plan, *, keep_read: bool = False) -> Job[Body]:
        """Start a job. A stream's result is empty: its events are in the job's record. Raises ApiError.

        `keep_read`: the stream may be read again from the start.
        """
        log = RelayLog(keep_read=keep_read) if plan.request.stream else EventLog[str]()
        return self.jobs.start(log, partial(self._run, plan))

    async def _run(self, plan: Plan, job: Job[Body]) -> Body:
        if plan.key is None:
            return await self._call_engine(plan, job)
        async with self.flights.enter(plan.key, waits=plan.waits_for_peers) as flight:
            if flight.peer_result is not None:
                return self.traces.adopt(plan, orjson.loads(flight.peer_result))
            body = await self._call_engine(plan, job)
            flight.result = dumps(body) if body else None
        return body

    async def _call_engine(self, plan: Plan, job: Job[Body]) -> Body:
        async with self.slots.slot(plan.caller.tenant, plan.id):
            job.begin()
            answer = await self._answer(plan, self.salts(plan.caller.tenant) if self.salts else "")
            if isinstance(answer, dict):
                self._count(answer.get("usage"), plan, job)
                return answer if plan.copies == 1 else copy_choices(answer, plan.copies)
            try:
                await copy_stream(answer if plan.copies == 1 else copy_events(answer, plan.copies), job)
            finally:
                self._count(answer.usage if isinstance(answer, ReportsUsage) else None, plan, job)
            return {}

    def _count(self, usage: object, plan: Plan, job: Job[Body]) -> None:
        if isinstance(usage, dict):
            job.tokens = self.metrics.observe_plain(plan.caller.tenant, usage)

    async def _answer(self, plan: Plan, salt: str) -> Body | Events:
        assert not isinstance(plan.request, DecisionRequest)
        if not isinstance(plan.request, PlainBody):
            return await self.backend.answer(plan.request, salt)
        assert isinstance(self.backend, HasApplication)
        return await self.backend.call_route(plan.request, salt)


async def copy_stream(events: Events, job: Job[Body]) -> None:
    """Write the events to the job's record, no faster than they are read, and close the stream in the end.

    A cancellation while `job` waits for its readers would otherwise leave the engine's generator, and what it decodes,
    open until it is garbage-collected.
    """
    async with aclosing(events):
        log = job.record
        assert isinstance(log, RelayLog)
        async for event in events:
            log.emit(event)
            job.accept()
            while not log.has_room([reader.place for reader in job.readers]):
                await log.wait_for_read()
