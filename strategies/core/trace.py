"""Events of one request's search, in order. Usage, metrics, streams and the response are folds over them."""

from dataclasses import dataclass, replace
from typing import Literal

from cogitate.strategies.answers import Answer
from cogitate.strategies.core.event_log import Cursor, Entry, EventLog
from cogitate.strategies.core.programs import Reason
from cogitate.strategies.core.prompt_tokens import count_cached_tokens, count_prompt_tokens
from cogitate.strategies.core.types import Completion, Outcome, TextDelta

Role = Literal["candidate", "step", "extraction", "verifier"]
CANDIDATE_ROLES: tuple[Role, ...] = ("candidate", "step")
"""The roles whose decodes compete for the answer."""
Stopped = Literal["completed", "decided", "deadline", "budget", "asked", "draining"]
"""Why a search ended: every candidate was decoded, the vote was decided, or a limit or a request ended it early."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A decode was submitted to the engine."""

    index: int
    role: Role
    parent: int | None
    """The decode whose text it continues, revises or judges."""
    model: str
    """The model that it was submitted to; empty: the request's own."""
    seed: int | None
    prompt: int
    """The number of its prompt: decodes of one number are billed for one prompt."""
    seconds: float
    """Since the search began; where it started before it was known to be needed, that time."""
    depth: int
    """The tokens that had been decoded one after another before it."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """A decode that ran to its end, in this search or, where its completion is `reused`, in an earlier one."""

    role: Role
    completion: Completion
    depth: int = 0
    """Tokens that had to be decoded one after another up to its end: its own, and those that it waited for."""
    start: Started | None = None
    """Its beginning, as it was recorded."""


@dataclass(frozen=True, slots=True)
class Aborted:
    """A decode that was cancelled, or ended as `unsure`; its tokens are spent all the same."""

    role: Role
    completion: Completion
    depth: int = 0
    start: Started | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A decode that failed."""

    index: int
    role: Role
    reason: str
    model: str = ""
    """The name of the model that failed; empty: the request's own."""
    span: int = 0
    """See `Completion.span`."""


@dataclass(frozen=True, slots=True)
class Cast:
    """A candidate's vote. A later one of the same candidate takes its place."""

    completion: Completion
    answer: Answer | None
    """The answer read from it; None: it abstains."""
    bloc: int | None = None
    """The candidate that was the first to give this answer, or one that counts as equal; None where it abstains."""
    weight: float | None = None
    """None where the strategy does not weigh it, or not yet."""


@dataclass(frozen=True, slots=True)
class Executed:
    """A candidate's program ran in the sandbox."""

    completion: Completion
    reason: Reason
    seconds: float


@dataclass(frozen=True, slots=True)
class Scored:
    """A verifier scored a candidate."""

    completion: Completion
    steps: tuple[float, ...]
    """The score of each step; empty where the verdict was lost."""
    tokens: int
    """Tokens read by a model of the verifier's own."""
    score: float | None
    """The aggregated score; None where the verdict was lost."""
    warnings: tuple[str, ...] = ()
    """The verifier's."""
    verifier: str = ""
    """Its name."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """The best outcome so far has changed."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class TextEmitted:
    """Visible text, as it is decoded or inserted."""

    delta: TextDelta


@dataclass(frozen=True, slots=True)
class Shed:
    """The search ended early under load: its vote was decided at a lower posterior than requested."""

    confidence: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The search ended."""

    outcome: Outcome
    stopped: Stopped


Event = Started | Sampled | Aborted | Failed | Cast | Executed | Scored | Proposed | TextEmitted | Shed | Finished


class Trace(EventLog[Event]):
    """The event log of one request's search.

    Adjacent text is merged into one event, so that a stream costs its text and not an event per token, whether or not
    anything reads it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.counted = 0, Usage()
        """The number of events whose tokens were counted last, and what they were."""

    @property
    def has_news(self) -> bool:
        return not all(isinstance(event, Started) for event in self)

    def emit(self, event: Event) -> None:
        last = self.entries[-1] if self.entries else None
        if last and (merged := _merge_text(last.event, event)):
            self.entries[-1] = Entry(last.seconds, merged)
            self.wake()
        else:
            super().emit(event)

    def next_event(self, cursor: Cursor) -> Event | None:
        """Return the event at the cursor and advance it; of text that is still growing, only the new part."""
        offset, event = cursor.offset, super().next_event(cursor)
        if not isinstance(event, TextEmitted):
            return event
        cursor.offset = 0
        if cursor.index == len(self.entries):
            cursor.index, cursor.offset = cursor.index - 1, len(event.delta.text)
        if offset == len(event.delta.text):
            return self.next_event(cursor) if cursor.offset == 0 else None
        return TextEmitted(replace(event.delta, text=event.delta.text[offset:])) if offset else event


def _merge_text(first: Event, second: Event) -> TextEmitted | None:
    """Return two text events as one; None where they cannot be merged."""
    if not isinstance(first, TextEmitted) or not isinstance(second, TextEmitted):
        return None
    delta = first.delta.merge(second.delta)
    return TextEmitted(delta) if delta else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts of a request, exactly as the engine counted them."""

    prompt: int = 0
    """Each distinct prompt once, and what reward models read."""
    cached: int = 0
    """Of `prompt`, those from the engine's prefix cache."""
    completion: int = 0
    """All tokens decoded: of chosen, dropped and aborted candidates, extraction and verdicts."""
    aborted: int = 0
    """Of `completion`, those of decodes that were stopped."""
    verifier: int = 0
    """Tokens decoded for verdicts, and tokens read by reward models."""
    uncounted: int = 0
    """Decodes whose tokens the engine could not count: the other numbers have a lower bound of theirs."""
    depth: int = 0
    """Of `completion`, those that had to be decoded one after another: the latency of the search in tokens."""


def usage(trace: Trace) -> Usage:
    """Return the token counts, of all models. Those of a trace that has not grown are not counted again."""
    if trace.counted[0] != trace.count:
        trace.counted = trace.count, _count_tokens(trace)
    return trace.counted[1]


def _count_tokens(trace: Trace) -> Usage:
    """Count all tokens.

    A prompt that samples of one model share counts once, a continued prefix where it was decoded.
    """
    decodes: dict[tuple[str, int, int], list[Completion]] = {}
    completion_tokens = aborted = verifier = read = uncounted = depth = 0
    for event in trace:
        if isinstance(event, Scored):
            read += event.tokens
        if isinstance(event, Sampled | Aborted) and not event.completion.reused:
            made = event.completion
            completion_tokens += made.completion_tokens
            uncounted += not made.tokens_known
            depth = max(depth, event.depth)
            aborted += made.completion_tokens if isinstance(event, Aborted) else 0
            verifier += made.completion_tokens if event.role == "verifier" else 0
            place = made.prompt.model, id(made.prompt.messages), id(made.prompt.raw)
            decodes.setdefault(place, []).append(made)
    return Usage(
        prompt=sum(map(count_prompt_tokens, decodes.values())) + read,
        cached=sum(map(count_cached_tokens, decodes.values())),
        completion=completion_tokens,
        aborted=aborted,
        verifier=verifier + read,
        uncounted=uncounted,
        depth=depth,
    )


def degrades_answer(event: Event) -> bool:
    """Return whether the event means that repeating the request could give a better answer: it is not cached."""
    return isinstance(event, Shed | Failed) or (isinstance(event, Executed) and event.reason == "refused")


def count_candidates(trace: Trace) -> int:
    """Return the number of answers, or steps of answers, that ran to their end."""
    return sum(isinstance(event, Sampled) and event.role in CANDIDATE_ROLES for event in trace)
