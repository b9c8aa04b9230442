"""Finds or starts the job that answers a plan: from the cache, by joining an equal request, or anew."""

from dataclasses import dataclass, field
from functools import partial

import orjson

from cogitate.server.auth.quotas import Admission, Quotas
from cogitate.server.cache import Cache
from cogitate.server.engine import Body
from cogitate.server.errors import ApiError, RequestCancelled
from cogitate.server.observability.metrics import DECISIONS, NONE, Metrics
from cogitate.server.observability.request_span import CURRENT_SPAN, RequestSpan
from cogitate.server.observability.span_record import SpanLink
from cogitate.server.observability.spans import SearchSpans
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.decisions import DecisionRequest
from cogitate.server.serving.fair_queue import Slots
from cogitate.server.serving.idempotency import Attempt
from cogitate.server.serving.job import Job
from cogitate.server.serving.relay import PlainRelay
from cogitate.server.serving.relay_log import RelayLog
from cogitate.server.serving.run_decision import DecisionRunner
from cogitate.server.serving.run_strategy import StrategyRunner
from cogitate.server.serving.trace_registry import TraceRegistry
from cogitate.strategies.core.trace import Trace, usage


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Admits plans, so that equal requests share one job."""

    cache: Cache
    metrics: Metrics
    slots: Slots
    traces: TraceRegistry
    runner: StrategyRunner
    relay: PlainRelay
    decisions: DecisionRunner
    quotas: Quotas
    running: dict[str, tuple[Plan, Job[Body]]] = field(default_factory=dict)
    """The jobs that equal requests may join, by cache key, each with the plan that began it."""

    async def answer(self, plan: Plan, attempt: Attempt | None = None) -> tuple[Plan, Job[Body]]:
        """Return the job that answers the plan, and the plan to render its answer with.

        That plan is the first request's where an idempotency key repeats. Raises ApiError.
        """
        admission = None
        try:
            body = await self._fetch_from_cache(plan)
            is_repeated = attempt is not None and attempt.find_original() is not None
            if body is None and plan.caller.key and not is_repeated and not self._find_running(plan):
                admission = await self.quotas.admit(plan.caller, plan.cost, plan.width)
            # From here to the job's start nothing is awaited, so that of two equal requests only one begins a job.
            if attempt and (original := attempt.find_original()):
                describe_span(plan, "replayed")
                self.traces.link(plan, self.traces.find_number(original.plan))
                return original.plan, original.job
            if body is None:
                job, admission = self._join_or_start(plan, admission, is_repeatable=attempt is not None), None
            else:
                describe_span(plan, "hit")
                job = self._build_cached_job(plan, body)
        except BaseException:
            if attempt:
                attempt.abandon()
            raise
        finally:
            if admission:  # nothing was started with it
                self._settle(admission, 0)
        if attempt:
            attempt.remember(job)
        return plan, job

    async def _fetch_from_cache(self, plan: Plan) -> Body | None:
        if plan.key is None or plan.request.cache == "refresh":
            return None
        value = await self.cache.get(plan.key)
        self.metrics.count_cache("miss" if value is None else "hit")
        return None if value is None else orjson.loads(value)

    def _build_cached_job(self, plan: Plan, body: Body) -> Job[Body]:
        return Job(Trace(), outcome=self.traces.adopt(plan, body), cached=True)

    def _find_running(self, plan: Plan) -> tuple[Plan, Job[Body]] | None:
        """Return the job that an equal request has begun and this one may join, with the plan that began it."""
        running = self.running.get(plan.key) if plan.key and plan.is_shareable else None
        return None if running is None or running[1].is_done or running[1].is_cancelled else running

    def _join_or_start(self, plan: Plan, admission: Admission | None, *, is_repeatable: bool) -> Job[Body]:
        """`is_repeatable`: a request with the same Idempotency-Key may read the job's stream from the start."""
        if running := self._find_running(plan):
            self.metrics.count_cache("joined")
            describe_span(plan, "joined", running[1].span)
            self.traces.link(plan, running[0].number)
            if admission:
                self._settle(admission, 0)
            return running[1]
        job = self._start(plan, is_repeatable=is_repeatable)
        if admission:
            job.add_end_callback(lambda: self._settle(admission, count_decoded(job)))
        if plan.key and plan.is_shareable:
            key = plan.key
            self.running[key] = plan, job
            job.add_end_callback(lambda: self._forget(key, job))
        return job

    def _settle(self, admission: Admission, used: int | None) -> None:
        self.quotas.release(admission)  # at once: the client's next request may be on its way
        self.traces.run_in_background(self.quotas.settle(admission, used))

    def _forget(self, key: str, job: Job[Body]) -> None:
        if key in self.running and self.running[key][1] is job:  # a cancelled job may have a successor already
            del self.running[key]

    def _start(self, plan: Plan, *, is_repeatable: bool) -> Job[Body]:
        """Raises Overloaded, before anything is tokenised, where too many generations wait already."""
        width, name = plan.width, plan.strategy.name if plan.strategy else NONE
        describe_span(plan, "miss" if plan.key else "none")
        self.slots.admit(width)
        try:
            if isinstance(plan.request, DecisionRequest):
                job, name = self.decisions.start(plan), DECISIONS
            elif plan.strategy is None:
                job = self.relay.start(plan, keep_read=is_repeatable)
            else:
                job = self.runner.start(plan)
        except ApiError:
            self.slots.leave(width)
            raise
        job.on_begin = partial(self.metrics.observe_queue, name)
        job.add_end_callback(lambda: self.slots.leave(width))
        if span := CURRENT_SPAN.get():
            span.begin_work()
            job.span = span
            job.add_end_callback(lambda: record_end(span, plan, job))
        return job


def count_decoded(job: Job[Body]) -> int | None:
    """Return the tokens that a job has decoded; None where that is not known.

    A stream of the engine's own that reports no usage counts its events, each of which has a token at least.
    """
    if job.tokens is not None:
        return job.tokens
    if isinstance(job.record, Trace):
        return usage(job.record).completion
    if isinstance(job.record, RelayLog):
        return job.record.count
    if job.failure and not isinstance(job.failure, RequestCancelled):
        return 0
    tokens = ((job.outcome or {}).get("usage") or {}).get("output_tokens")  # a decision's
    return tokens if isinstance(tokens, int) else None


def describe_span(plan: Plan, cache: str, other: RequestSpan | None = None) -> None:
    """Tell the request's span, where it is traced, what was asked for, and which other request decodes the answer."""
    if span := CURRENT_SPAN.get():
        span.describe(plan, cache)
        if other:
            span.link = SpanLink(other.context, other.id)


def record_end(span: RequestSpan, plan: Plan, job: Job[Body]) -> None:
    """Record on the request's span how the work that it began has ended, and have the spans below it written."""
    if job.failure:
        span.record_failure(job.failure)
    if isinstance(job.record, Trace):
        span.end_work(SearchSpans(span, plan, job.record).write)
    else:
        has_parts = isinstance(plan.request, DecisionRequest)
        span.end_work(partial(span.record_answer, plan, job.outcome, has_parts=has_parts))
