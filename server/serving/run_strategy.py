"""Runs the strategy of a plan: renders the prompt, decodes through the fair queue, builds the response."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import orjson

from cogitate.server.engine import Backend, Body, Conversation, salt_verifiers
from cogitate.server.engine.context_limit import ContextLimitedEngine
from cogitate.server.engine.fleet import find_card
from cogitate.server.planning.plan import Plan
from cogitate.server.planning.samples_key import compute_samples_key
from cogitate.server.planning.token_fields import check_min_tokens
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.completion import CompletionRequest
from cogitate.server.protocol.json import dumps
from cogitate.server.sandbox import MAX_RUNS_PER_REQUEST, NoPrograms, RunQuota
from cogitate.server.serving.chat_response import build_completion, rank_answers
from cogitate.server.serving.fair_queue import QueuedEngine, Slots
from cogitate.server.serving.job import Job
from cogitate.server.serving.jobs import Jobs
from cogitate.server.serving.joint_conversation import ModelFailed, open_conversation
from cogitate.server.serving.sample_store import SampleStore
from cogitate.server.serving.single_flight import SingleFlight
from cogitate.server.serving.trace_registry import TraceRegistry
from cogitate.server.serving.traced_engine import trace_decodes
from cogitate.strategies.core.budget import Budget
from cogitate.strategies.core.events import Stopped
from cogitate.strategies.core.execute import execute
from cogitate.strategies.core.ports import Prover, Verifier
from cogitate.strategies.core.programs import Programs
from cogitate.strategies.core.session import RequestContext, Session
from cogitate.strategies.core.stock import SampleStock
from cogitate.strategies.core.trace import Trace, degrades_answer
from cogitate.strategies.thinking.closing import MAX_CLOSING_TOKENS, close_thought
from cogitate.strategies.verifiers import BUILT_IN


@dataclass(slots=True)
class StrategyRunner:
    """Runs the plans that have a strategy."""

    backend: Backend
    prover: Prover
    jobs: Jobs
    slots: Slots
    salts: Callable[[str], str]
    flights: SingleFlight
    traces: TraceRegistry
    samples: SampleStore
    programs: Programs = field(default_factory=NoPrograms)
    """Runs the programs that a model writes; the sandbox, once it is open."""

    @property
    def verifiers(self) -> Mapping[str, Verifier]:
        """All verifiers by name: the built-in ones and those of the backend."""
        return {**BUILT_IN, **self.backend.verifiers}

    def start(self, plan: Plan) -> Job[Body]:
        """Start a job, whose record is the trace. Raises ApiError."""
        trace = Trace()
        deadline, closing = compute_deadline(plan), compute_closing_tokens(plan)
        budget = Budget(plan.cost, deadline, under_load=lambda: self.slots.has_waiters, closing=closing)
        job = self.jobs.start(trace, lambda job: self._run(plan, trace, budget, job))
        job.interrupt, job.key = budget.interrupt, plan.key
        self.traces.start(plan, trace, job)
        return job

    async def count_tokens(self, plan: Plan) -> int | None:
        """Return the number of tokens of the plan's prompt; None where the engine cannot tell. Raises ApiError."""
        assert isinstance(plan.request, ChatRequest | CompletionRequest)
        prompt = plan.prompt if plan.strategy else plan.request.strategy_prompt
        return await self.backend.count_tokens(plan.request, prompt, self.salts(plan.caller.tenant))

    async def _run(self, plan: Plan, trace: Trace, budget: Budget, job: Job[Body]) -> Body:
        assert plan.strategy is not None and isinstance(plan.request, ChatRequest | CompletionRequest)
        conversation = await open_conversation(self.backend, plan, self.salts(plan.caller.tenant))
        if plan.request.min_tokens:
            card = find_card(self.backend, plan.request.model)
            check_min_tokens(plan.request.min_tokens, card.max_model_len - conversation.prompt_tokens)
        job.accept()
        async with self.flights.enter(plan.key, waits=plan.waits_for_peers) as flight:
            if flight.peer_result is not None:
                return self.traces.adopt(plan, orjson.loads(flight.peer_result))
            body, stopped = await self._draw_and_search(plan, trace, conversation, budget, job.begin)
            if plan.key and stopped in ("completed", "decided") and not any(map(degrades_answer, trace)):
                flight.result = dumps(body)
            elif plan.key and stopped == "asked":
                flight.handover = dumps(body)
        return body

    async def _draw_and_search(
        self, plan: Plan, trace: Trace, conversation: Conversation, budget: Budget, on_turn: Callable[[], None]
    ) -> tuple[Body, Stopped]:
        """Return the response, and why the search ended. It goes on from samples that earlier requests drew."""
        engine = QueuedEngine(trace_decodes(conversation), self.slots, plan.caller.tenant, plan.id, on_turn)
        card, reads = find_card(self.backend, plan.request.model), plan.request.cache != "refresh"
        key = compute_samples_key(plan, card)
        keeps = plan.request.budget is None  # a budget selects short samples
        async with self.samples.open(key, reads=reads, keeps=keeps, vocab_size=card.vocab_size) as stock:
            return await self._search(plan, conversation, self._open_session(plan, trace, engine, budget, stock))

    async def _search(self, plan: Plan, conversation: Conversation, session: Session) -> tuple[Body, Stopped]:
        assert plan.strategy is not None
        try:
            finished = await execute(plan.strategy, plan.prompt, session, close_thought)
        except ModelFailed as failure:
            raise failure.error from None
        outcomes = rank_answers(plan, finished)
        response = await conversation.build_response([outcome.completion for outcome in outcomes])
        return build_completion(plan, session.trace, finished, response), finished.stopped

    def _open_session(
        self, plan: Plan, trace: Trace, engine: QueuedEngine, budget: Budget, stock: SampleStock
    ) -> Session:
        assert plan.strategy is not None
        programs = RunQuota(self.programs, MAX_RUNS_PER_REQUEST)
        own = salt_verifiers(self.backend.verifiers, self.salts(plan.caller.tenant))
        return Session(
            engine=ContextLimitedEngine(engine, plan.prompt),
            prover=self.prover,
            verifiers=plan.strategy.build_verifiers({**BUILT_IN, **own}, programs),
            request=RequestContext(
                sampling=plan.sampling,
                reader=plan.reader,
                answers=min(plan.answer_count, plan.strategy.candidates),
                abilities=plan.abilities,
                vote_prior=plan.vote_prior,
                context=plan.context,
                verifier_model="".join(plan.strategy.other_models.get("verifier_model", ())),
            ),
            programs=programs,
            budget=budget,
            trace=trace,
            stock=stock,
        )


def compute_closing_tokens(plan: Plan) -> int:
    """Return how many tokens beyond the plan's cost may close a thought; none where the client set a number."""
    budget = plan.request.budget if isinstance(plan.request, ChatRequest | CompletionRequest) else None
    return 0 if budget and budget.tokens else MAX_CLOSING_TOKENS


def compute_deadline(plan: Plan) -> float | None:
    """Return the event loop's time at which the client's time limit ends; None where it set none."""
    left = plan.seconds_left
    return None if left is None else asyncio.get_running_loop().time() + left
