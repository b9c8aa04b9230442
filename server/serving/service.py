"""What the routes stand on: the engine, the cache, the jobs, and how a plan becomes an answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from cogitate.server.auth.cache_salt import CacheSalts
from cogitate.server.cache import NoPeers, Cache, PeerRpc
from cogitate.server.engine import Backend, Body, Conversation, salt_verifiers
from cogitate.server.engine.context_limit import ContextLimitedEngine
from cogitate.server.engine.watchdog import Watchdog
from cogitate.server.errors import ApiError, ShuttingDown, NotReady
from cogitate.server.observability.metrics import Metrics
from cogitate.server.observability.trace_store import Traces
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.json import dumps
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.server.sandbox import MOST_RUNS, NoPrograms, Rationed, open_sandbox
from cogitate.server.serving.chat_response import build_completion
from cogitate.server.serving.fair_queue import QueuedEngine, Slots
from cogitate.server.serving.jobs import Job, Jobs
from cogitate.server.serving.peers import Others
from cogitate.server.serving.repeats import Repeats
from cogitate.server.serving.replays import Replays
from cogitate.server.serving.single_flight import SingleFlight
from cogitate.server.serving.trace_registry import Searches
from cogitate.server.settings import Settings
from cogitate.strategies.core.budget import Budget
from cogitate.strategies.core.event_log import EventLog
from cogitate.strategies.core.execute import execute
from cogitate.strategies.core.ports import Prover, Verifier
from cogitate.strategies.core.programs import Programs
from cogitate.strategies.core.session import RequestContext, Session
from cogitate.strategies.core.trace import Trace, is_degraded
from cogitate.strategies.verifiers import BUILT_IN


class Workers(Prover, Protocol):
    """A prover that works outside this process."""

    async def close(self) -> None: ...


@dataclass(slots=True)
class Service:
    backend: Backend
    cache: Cache
    prover: Workers
    settings: Settings
    metrics: Metrics
    programs: Programs = field(default_factory=NoPrograms)
    """Where programs that a model wrote are run."""
    rpc: PeerRpc = field(default_factory=NoPeers)
    """To the other processes."""
    jobs: Jobs = field(init=False)
    flights: SingleFlight = field(init=False)
    salts: CacheSalts = field(init=False)
    slots: Slots = field(init=False)
    repeats: Repeats = field(default_factory=Repeats)
    replays: Replays = field(init=False)
    searches: Searches = field(init=False)
    others: Others = field(init=False)
    watchdog: Watchdog = field(init=False)
    ready: bool = False
    failure: str | None = None
    """Why the engine is gone."""
    running: dict[str, tuple[Plan, Job[Body]]] = field(default_factory=dict)
    """By cache key: the same question asked meanwhile waits for the same answer."""

    def __post_init__(self) -> None:
        self.watchdog = Watchdog(self.backend.progress_marker, self.settings.stall_seconds)
        self.salts = CacheSalts(secret) if (secret := self.settings.cache_secret) else CacheSalts()
        self.jobs = Jobs(self.settings.max_concurrent_requests)
        self.flights = SingleFlight(self.cache, self.jobs.run_in_background, lambda: self.metrics.cache.labels("stored").inc())
        self.replays = Replays(self.flights)
        self.searches = Searches(self.metrics, Traces(most_bytes=self.settings.cache_bytes))
        self.others = Others(self.rpc, self.jobs, self.searches.tell)
        self.slots = Slots(self.settings.max_generations or 1, self.settings.max_waiting_generations)

    @property
    def verifiers(self) -> Mapping[str, Verifier]:
        return {**BUILT_IN, **self.backend.verifiers}

    async def open(self) -> None:
        """Proves the sandbox and loads the engine. Raises CannotStart, or whatever else went wrong."""
        self.programs = await open_sandbox(self.settings)
        await self.backend.open()
        self.slots.capacity = self.settings.max_generations or self.backend.card.capacity
        self.ready = True

    def check_ready(self) -> None:
        if self.jobs.draining:
            raise self.jobs.drain_error
        if not self.ready:
            raise NotReady("The model is still loading.")
        if self.watchdog.stalled:
            raise NotReady("The engine makes no tokens.", code="engine_stalled")

    async def answer(self, plan: Plan, repeat: str | None = None) -> tuple[Plan, Job[Body]]:
        """The job that answers this plan: a new one, one that runs already, or a finished one.

        With it the plan to tell it by: the first one's where an idempotency key repeats. Raises ApiError.
        """
        body = await self._kept(plan)
        # From here to the job's start nothing is awaited: two that ask at once cannot both begin.
        if repeat and (kept := self.repeats.find(plan, repeat)):
            self.searches.borrowed(plan, self.searches.number(kept.plan))
            return kept.plan, kept.job
        found = None if body is None else self.searches.lent(plan, body)
        job = self._begun(plan) if found is None else Job[Body](Trace(), outcome=found, cached=True)
        if repeat:
            self.repeats.keep(plan, repeat, job)
        return plan, job

    def claims(self, plan: Plan, repeat: str) -> bool:
        """Whether the other processes have a say in who answers this idempotency key."""
        return self.cache.shared and self.repeats.find(plan, repeat) is None

    async def _kept(self, plan: Plan) -> Body | None:
        """The finished answer that the cache has for this plan."""
        if plan.key is None or plan.request.cache == "refresh":
            return None
        value = await self.cache.get(plan.key)
        self.metrics.cache.labels("miss" if value is None else "hit").inc()
        return None if value is None else orjson.loads(value)

    def _begun(self, plan: Plan) -> Job[Body]:
        """Starts it, or joins the job that finds the same answer."""
        if plan.key is None or not plan.is_shareable:
            return self._start(plan)
        if (running := self.running.get(plan.key)) and not (running[1].is_done or running[1].is_cancelled):
            self.metrics.cache.labels("joined").inc()
            self.searches.borrowed(plan, running[0].number)
            return running[1]
        key, job = plan.key, self._start(plan)
        self.running[key] = plan, job
        job.add_end_callback(lambda: self._forget(key, job))
        return job

    def _forget(self, key: str, job: Job[Body]) -> None:
        if key in self.running and self.running[key][1] is job:  # not where it was left, and another began since
            del self.running[key]

    def _start(self, plan: Plan) -> Job[Body]:
        """Raises Overloaded, before anything is tokenised, where too much waits already."""
        width, by = plan.width, plan.caller
        self.slots.admit(width, by.key, by.limits.generations)
        try:
            job = self._plainly(plan) if plan.strategy is None else self._searching(plan)
        except ApiError:
            self.slots.leave(width, by.key)
            raise
        job.add_end_callback(lambda: self.slots.leave(width, by.key))
        return job

    def _plainly(self, plan: Plan) -> Job[Body]:
        return self.jobs.start(EventLog[str](), lambda job: self._plain(plan, job))

    def _searching(self, plan: Plan) -> Job[Body]:
        trace = Trace()
        job = self.jobs.start(trace, lambda job: self._search(plan, trace, job))
        self.searches.began(plan, trace, job)
        return job

    async def _search(self, plan: Plan, trace: Trace, job: Job[Body]) -> Body:
        """Runs the plan's strategy."""
        assert plan.strategy is not None and not isinstance(plan.request, ResponsesRequest)
        deadline = self._deadline(plan)
        conversation = await self.backend.converse(plan.request, plan.prompt, self.salts(plan.caller.tenant))
        job.accept()
        async with self.flights.enter(plan.key, waits=plan.waits_for_peers) as flight:
            if flight.found_elsewhere is not None:
                return self._joined(plan, flight.found_elsewhere)
            body, complete = await self._solved(plan, trace, conversation, deadline)
            flight.result = dumps(body) if complete and plan.key else None
        return body

    async def _solved(
        self, plan: Plan, trace: Trace, conversation: Conversation, deadline: float | None
    ) -> tuple[Body, bool]:
        """The answer, and whether the search came to its end."""
        assert plan.strategy is not None
        programs = Rationed(self.programs, MOST_RUNS)
        verifiers = salt_verifiers(self.verifiers, self.salts(plan.caller.tenant))
        session = Session(
            engine=ContextLimitedEngine(QueuedEngine(conversation, self.slots, plan.caller.tenant, plan.id), plan.prompt),
            prover=self.prover,
            verifiers=plan.strategy.build_verifiers(verifiers, programs),
            request=RequestContext(
                sampling=plan.sampling, reader=plan.reader, answers=plan.answer_count, abilities=plan.abilities
            ),
            programs=programs,
            budget=Budget(plan.cost, deadline, under_load=lambda: self.slots.is_contended),
            trace=trace,
        )
        finished = await execute(plan.strategy, plan.prompt, session)
        shown = (finished.outcome, *finished.outcome.alternatives)[: plan.answer_count]
        body = build_completion(plan, trace, finished, await conversation.build_response([outcome.completion for outcome in shown]))
        return body, finished.stopped in ("completed", "decided") and not any(map(is_degraded, trace))

    async def _plain(self, plan: Plan, job: Job[Body]) -> Body:
        """The engine's own answer, or its stream, line by line into the job's record."""
        async with self.flights.enter(plan.key, waits=plan.waits_for_peers) as flight:
            if flight.found_elsewhere is not None:
                return self._joined(plan, flight.found_elsewhere)
            body = await self._asked(plan, job)
            flight.result = dumps(body) if body and plan.key else None
        return body

    async def _asked(self, plan: Plan, job: Job[Body]) -> Body:
        async with self.slots.slot(plan.caller.tenant, plan.id):
            answer = await self.backend.answer(plan.request, self.salts(plan.caller.tenant))
            if isinstance(answer, dict):
                return answer
            async for line in answer:
                job.record.emit(line)
                job.accept()
                await job.wait_for_readers()
            return {}

    def _joined(self, plan: Plan, found: bytes) -> Body:
        self.metrics.cache.labels("joined").inc()
        return self.searches.lent(plan, orjson.loads(found))

    def _deadline(self, plan: Plan) -> float | None:
        left = plan.seconds_left
        return None if left is None else asyncio.get_running_loop().time() + left

    async def close(self) -> None:
        """Ends what is under way, and lets go of everything."""
        await self.jobs.drain(0 if self.failure else self.settings.drain_seconds)
        await self.rpc.close()
        await self.cache.close()
        await self.prover.close()
        await self.backend.close()

    def fail(self, reason: str) -> None:
        self.failure, self.ready = reason, False
        self.jobs.abandon(ShuttingDown("The engine has stopped; the server is going down.", code="engine_dead"))
