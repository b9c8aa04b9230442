"""Runs the reads of a decisions request through the fair queue, and builds the response."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b

import orjson

from cogitate.server.engine import Backend, Body
from cogitate.server.observability.metrics import Metrics
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.decisions import DecisionRequest
from cogitate.server.protocol.json import dumps
from cogitate.server.serving.decision_response import build_decision
from cogitate.server.serving.fair_queue import QueuedEngine, Slots
from cogitate.server.serving.job import Job
from cogitate.server.serving.jobs import Jobs
from cogitate.server.serving.single_flight import SingleFlight
from cogitate.server.serving.traced_engine import open_reads
from cogitate.strategies.core.event_log import EventLog
from cogitate.strategies.decisions.decide import Bill, decide
from cogitate.strategies.decisions.estimate import Estimate
from cogitate.strategies.decisions.prompt import build_prompt, quote_evidence


@dataclass(frozen=True, slots=True)
class DecisionRunner:
    """Answers plans of decisions."""

    backend: Backend
    jobs: Jobs
    slots: Slots
    salts: Callable[[str], str]
    flights: SingleFlight
    metrics: Metrics

    def start(self, plan: Plan) -> Job[Body]:
        """Start a job. Raises ApiError."""
        return self.jobs.start(EventLog[str](), partial(self._run, plan))

    async def _run(self, plan: Plan, job: Job[Body]) -> Body:
        async with self.flights.enter(plan.key, waits=plan.waits_for_peers) as flight:
            if flight.peer_result is not None:
                body: Body = orjson.loads(flight.peer_result)
                return body
            bill = Bill()
            try:
                body = build_decision(plan, await self._decide(plan, bill, job), bill)
            finally:
                job.tokens = bill.completion_tokens
                self.metrics.observe_decision(plan.caller.tenant, bill)
            flight.result = dumps(body) if plan.key and not bill.failed else None
        return body

    async def _decide(self, plan: Plan, bill: Bill, job: Job[Body]) -> list[Estimate | None]:
        request, tenant = plan.request, plan.caller.tenant
        assert isinstance(request, DecisionRequest)
        evidence = await quote_evidence(request.evidence)
        questions = [question.to_question() for question in request.questions]
        first = build_prompt(evidence, questions[0], questions[0].base_order)
        salt = self.salts(tenant) or request.cache_salt or ""
        conversation = await self.backend.converse(to_chat(request), first, salt)
        reads, spans = open_reads(conversation, plan.served_model or plan.model)
        engine = QueuedEngine(reads, self.slots, tenant, plan.id, job.begin)
        try:
            return await decide(
                evidence,
                questions,
                engine,
                bill,
                orders=request.orders,
                repeats=request.repeats,
                concurrency=plan.width,
            )
        finally:
            if spans:
                spans.request.writer.submit(spans.write)


def to_chat(request: DecisionRequest) -> ChatRequest:
    """Return the chat request that stands for the reads: requests about one input go to one replica."""
    digest = blake2b(dumps(request.evidence), digest_size=16).hexdigest()
    return ChatRequest.model_validate({"model": request.model, "messages": [{"role": "user", "content": digest}]})
