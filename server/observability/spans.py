"""The spans of a search: one for each decode, computed from its trace once it has ended."""

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from cogitate.server.observability import semconv
from cogitate.server.observability.request_span import NANOSECONDS, RequestSpan
from cogitate.server.observability.span_content import ContentWriter
from cogitate.server.observability.span_record import SpanEvent, SpanLink, SpanRecord, Value, new_span_id
from cogitate.server.planning.plan import Plan
from cogitate.strategies.core.event_log import Entry
from cogitate.strategies.core.events import (
    CANDIDATE_ROLES,
    Aborted,
    Cast,
    Event,
    Executed,
    Failed,
    Finished,
    Sampled,
    Scored,
    Started,
)
from cogitate.strategies.core.stock import count_reused
from cogitate.strategies.core.trace import Trace, count_candidates, usage
from cogitate.strategies.core.types import Completion

MAX_REASON_CHARACTERS = 200


@dataclass(slots=True)
class SearchSpans:
    """Computes the spans of one search. A sample of an earlier search has none: nothing was decoded for it."""

    request: RequestSpan
    plan: Plan
    trace: Trace
    _starts: dict[int, Started] = field(default_factory=dict)
    _ends: dict[int, Entry[Event]] = field(default_factory=dict)
    """The last event of each decode itself: its end, or its failure."""
    _events: defaultdict[int, list[SpanEvent]] = field(default_factory=lambda: defaultdict(list))
    """What was found out about each decode afterwards."""
    _ids: dict[int, int] = field(default_factory=dict)
    _votes: dict[int, Entry[Event]] = field(default_factory=dict)
    """The last vote of each candidate."""
    _chosen: int | None = None
    _start: int = 0
    """The Unix time of the search's start, in nanoseconds."""

    def __post_init__(self) -> None:
        self._start = self.request.to_unix_time(time.monotonic() - self.trace.seconds)

    def write(self) -> None:
        """Write a span for each decode, below that of the request, which gets the totals of the bill."""
        self.request.attributes |= describe_search(self.trace, with_answer=self.request.captures_content)
        for record in self.build():
            self.request.writer.write(self.request.context, record)

    def build(self) -> list[SpanRecord]:
        for entry in self.trace.entries:
            self._collect(entry)
        for index, entry in self._votes.items():
            self._events[index].append(self._to_event(entry))
        self._ids = {index: self._find_id(index) for index in self._starts}
        content = ContentWriter() if self.request.captures_content else None
        return [self._build_span(start, content) for start in self._starts.values()]

    def _collect(self, entry: Entry[Event]) -> None:
        match entry.event:
            case Started(index=index):
                self._starts[index] = entry.event
            case Sampled(completion=made) | Aborted(completion=made):
                self._ends[made.index] = entry
            case Failed(index=index):
                self._ends[index] = entry
            case Cast(completion=made):
                self._votes[made.index] = entry
            case Scored() | Executed():
                self._events[entry.event.completion.index].append(self._to_event(entry))
            case Finished(outcome):
                self._chosen = outcome.completion.index

    def _find_id(self, index: int) -> int:
        """Return the id that the engine was given, or a new one where it was not asked."""
        match self._ends.get(index):
            case Entry(event=Sampled(completion=made) | Aborted(completion=made)):
                return made.span or new_span_id()
            case Entry(event=Failed() as failed):
                return failed.span or new_span_id()
        return new_span_id()

    def _build_span(self, start: Started, content: ContentWriter | None) -> SpanRecord:
        end = self._ends.get(start.index) or self.trace.entries[-1]
        model = start.model or self.plan.served_model
        operation = str(self.request.attributes.get(semconv.OPERATION, semconv.CHAT))
        attributes: dict[str, Value] = {
            semconv.OPERATION: operation,
            semconv.PROVIDER: self.request.provider,
            semconv.REQUEST_MODEL: model,
            **dict(self._describe_start(start)),
        }
        error = None
        if isinstance(end.event, Failed) and end.event.index == start.index:
            error = end.event.reason[:MAX_REASON_CHARACTERS]
            attributes[semconv.ERROR_TYPE] = "sample_failed"
        elif isinstance(end.event, Sampled | Aborted) and end.event.completion.index == start.index:
            made, is_aborted = end.event.completion, isinstance(end.event, Aborted)
            attributes |= describe_completion(made, is_aborted=is_aborted) | {semconv.DEPTH: end.event.depth}
            attributes |= content.describe(end.event.completion) if content else {}
        else:  # it was cancelled before the engine had decoded anything
            attributes |= {semconv.ABORTED: True, semconv.FINISH_REASONS: ("abort",)}
        parent = self._ids.get(start.parent) if start.parent is not None else None
        return SpanRecord(
            name=f"{operation} {model}",
            kind="client",
            id=self._ids[start.index],
            parent=self.request.id,
            start=self._to_time(start.seconds),
            end=self._to_time(end.seconds),
            attributes=attributes,
            events=self._events.get(start.index, ()),
            links=(SpanLink(self.request.context, parent),) if parent else (),
            error=error,
        )

    def _describe_start(self, start: Started) -> Iterator[tuple[str, Value]]:
        yield semconv.ROLE, start.role
        yield semconv.INDEX, start.index
        if start.parent is not None:
            yield semconv.PARENT, start.parent
        if start.seed is not None:
            yield semconv.REQUEST_SEED, start.seed
        if start.index == self._chosen:
            yield semconv.CHOSEN, True
        sampling = self.plan.sampling
        if start.role in CANDIDATE_ROLES:
            if sampling.temperature is not None:
                yield semconv.REQUEST_TEMPERATURE, sampling.temperature
            if sampling.max_tokens is not None:
                yield semconv.REQUEST_MAX_TOKENS, sampling.max_tokens

    def _to_event(self, entry: Entry[Event]) -> SpanEvent:
        at = self._to_time(entry.seconds)
        match entry.event:
            case Scored() as verdict:
                return SpanEvent(semconv.EVALUATION, at, describe_verdict(verdict))
            case Cast() as vote:
                return SpanEvent(semconv.VOTE, at, describe_vote(vote, with_answer=self.request.captures_content))
            case Executed(_, reason, seconds):
                attributes = {semconv.EXECUTION_REASON: reason, semconv.EXECUTION_SECONDS: seconds}
                return SpanEvent(semconv.EXECUTION, at, attributes)
        raise AssertionError(entry.event)

    def _to_time(self, seconds: float) -> int:
        return self._start + round(seconds * NANOSECONDS)


def describe_search(trace: Trace, *, with_answer: bool) -> dict[str, Value]:
    """Return the attributes of a request's span that tell what its search did. The answer itself is content."""
    spent = usage(trace)
    attributes: dict[str, Value] = {
        semconv.TOTAL_INPUT_TOKENS: spent.prompt,
        semconv.TOTAL_OUTPUT_TOKENS: spent.completion,
        semconv.TOTAL_ABORTED_TOKENS: spent.aborted,
        semconv.TOTAL_VERIFIER_TOKENS: spent.verifier,
        semconv.CANDIDATES: count_candidates(trace),
        semconv.REUSED: count_reused(trace),
    }
    end = trace.entries[-1].event if trace.entries else None
    if isinstance(end, Finished):
        attributes[semconv.STOPPED] = end.stopped
        if end.outcome.agreement is not None:
            attributes[semconv.AGREEMENT] = end.outcome.agreement
        if end.outcome.score is not None:
            attributes[semconv.SCORE] = end.outcome.score
        if with_answer and end.outcome.answer is not None:
            attributes[semconv.ANSWER] = end.outcome.answer.raw
    return attributes


def describe_completion(made: Completion, *, is_aborted: bool) -> dict[str, Value]:
    """Return the attributes of a decode that are known when it has ended."""
    attributes: dict[str, Value] = {
        semconv.INPUT_TOKENS: made.prompt_tokens,
        semconv.OUTPUT_TOKENS: made.completion_tokens,
        semconv.FINISH_REASONS: (to_finish_reason(made),),
        semconv.ABORTED: is_aborted,
    }
    if made.cached_tokens is not None:
        attributes[semconv.CACHED_TOKENS] = made.cached_tokens
    if not made.tokens_known:
        attributes[semconv.COUNTED] = False
    if made.mean_logprob is not None:
        attributes[semconv.LOGPROB] = made.mean_logprob
    return attributes


def to_finish_reason(made: Completion) -> str:
    return "tool_call" if made.tool_calls and made.finish == "stop" else made.finish


def describe_verdict(verdict: Scored) -> dict[str, Value]:
    """Return the attributes of an evaluation. One that was lost has no score, and an error."""
    attributes: dict[str, Value] = {semconv.EVALUATION_NAME: verdict.verifier}
    if verdict.score is None:
        attributes[semconv.ERROR_TYPE] = "verdict_lost"
    else:
        attributes[semconv.EVALUATION_SCORE] = verdict.score
    if len(verdict.steps) > 1:
        attributes[semconv.STEPS] = verdict.steps
    if verdict.tokens:
        attributes[semconv.EVALUATION_TOKENS] = verdict.tokens
    return attributes


def describe_vote(vote: Cast, *, with_answer: bool) -> dict[str, Value]:
    """Return the attributes of a vote. The answer itself is content."""
    attributes: dict[str, Value] = {semconv.VOTE_ABSTAINS: vote.answer is None}
    if vote.bloc is not None:
        attributes[semconv.VOTE_CLASS] = vote.bloc
    if vote.weight is not None:
        attributes[semconv.VOTE_WEIGHT] = vote.weight
    if with_answer and vote.answer is not None:
        attributes[semconv.ANSWER] = vote.answer.raw
    return attributes
