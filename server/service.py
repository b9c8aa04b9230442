"""What the routes stand on: the engine, the cache, the jobs, and how a plan becomes an answer."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from server.api.json import dumps
from server.api.openai import ChatRequest
from server.api.response import completed
from server.cache import Cache
from server.engine import Backend, Body, Conversation
from server.errors import Unready
from server.jobs import Job, Jobs
from server.metrics import Metrics
from server.plan import Plan
from server.settings import Settings
from strategies.budget import Budget
from strategies.execute import execute
from strategies.ports import Prover, Verifier
from strategies.run import Run
from strategies.trace import Trace
from strategies.verifiers import BUILT_IN


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
    jobs: Jobs = field(init=False)
    ready: bool = False
    failure: str | None = None
    """Why the engine is gone."""

    def __post_init__(self) -> None:
        self.jobs = Jobs(self.settings.max_concurrent_requests)

    @property
    def verifiers(self) -> Mapping[str, Verifier]:
        return {**BUILT_IN, **self.backend.verifiers}

    def check_ready(self) -> None:
        if self.jobs.draining:
            raise Unready("The server is shutting down.")
        if self.failure:
            raise Unready("The engine has stopped; the server is going down.", code="engine_dead")
        if not self.ready:
            raise Unready("The model is still loading.")

    async def kept(self, plan: Plan) -> Body | None:
        """The finished answer that the cache has for this plan."""
        if plan.key is None or plan.request.cache == "refresh":
            return None
        value = await self.cache.get(plan.key)
        self.metrics.cache.labels("miss" if value is None else "hit").inc()
        return None if value is None else orjson.loads(value)

    def keep(self, plan: Plan, body: Body) -> None:
        """Writes a finished, complete answer, while the client already has it."""
        if plan.key is not None:
            self.metrics.cache.labels("stored").inc()
            self.jobs.aside(self.cache.put(plan.key, dumps(body)))

    async def search(self, plan: Plan) -> Job[Body]:
        """Starts the plan's strategy. Raises ApiError for what is refused before it starts."""
        assert isinstance(plan.request, ChatRequest)
        deadline = self._deadline(plan)
        conversation = await self.backend.converse(plan.request, plan.prompt)
        run = Run(
            engine=conversation,
            prover=self.prover,
            verifiers=self.verifiers,
            sampling=plan.sampling,
            answer_format=plan.strategy.answer_format if plan.strategy else "auto",
            budget=Budget(plan.cost, deadline),
        )
        return self.jobs.start(run.trace, lambda: self._solve(plan, run, conversation))

    async def _solve(self, plan: Plan, run: Run, conversation: Conversation) -> Body:
        assert plan.strategy is not None
        try:
            finished = await execute(plan.strategy, plan.prompt, run)
            body = completed(plan, run.trace, finished, await conversation.present([finished.outcome.completion]))
        finally:
            self.metrics.observe(plan, run.trace)
        if finished.stopped in ("completed", "decided"):
            self.keep(plan, body)
        return body

    async def plain(self, plan: Plan) -> "Job[Body | AsyncIterator[str]]":
        """Starts the engine's own answer to a request without a strategy."""

        async def work() -> Body | AsyncIterator[str]:
            answer = await self.backend.answer(plan.request)
            if isinstance(answer, dict):
                self.keep(plan, answer)
            return answer

        return self.jobs.start(Trace(), work)

    def _deadline(self, plan: Plan) -> float | None:
        seconds = plan.request.budget.seconds if plan.request.budget else None
        return None if seconds is None else asyncio.get_running_loop().time() + seconds

    async def close(self) -> None:
        """Ends what is under way, and lets go of everything."""
        await self.jobs.drain(0 if self.failure else self.settings.drain_seconds)
        await self.cache.close()
        await self.prover.close()
        await self.backend.close()

    def died(self, reason: str) -> None:
        self.failure, self.ready = reason, False
