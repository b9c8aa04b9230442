"""Everything that happened in one request, in order. Usage, metrics, SSE and the response are folds over it."""

from dataclasses import dataclass, replace
from typing import Literal

from cogitate.strategies.answers import Answer
from cogitate.strategies.core.event_log import Cursor, Entry, EventLog
from cogitate.strategies.core.programs import Reason
from cogitate.strategies.core.types import Completion, Outcome, TextDelta

Role = Literal["candidate", "step", "extraction", "verifier"]
CANDIDATE_ROLES: tuple[Role, ...] = ("candidate", "step")
"""The roles that compete for the answer; the others serve them."""
Stopped = Literal["completed", "decided", "deadline", "budget"]


@dataclass(frozen=True, slots=True)
class Sampled:
    """A decode that ran to its end."""

    role: Role
    completion: Completion
    depth: int = 0
    """Tokens decoded one after the other up to its end: its own, and those of what had to end before it began."""


@dataclass(frozen=True, slots=True)
class Aborted:
    """A decode that was stopped, in vain or as unsure; what it had made is spent all the same."""

    role: Role
    completion: Completion
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """A decode that the engine lost."""

    index: int
    role: Role
    reason: str


@dataclass(frozen=True, slots=True)
class Cast:
    """The answer read from a candidate; None abstains."""

    completion: Completion
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class Executed:
    """A candidate's program was run in the sandbox."""

    completion: Completion
    reason: Reason
    seconds: float


@dataclass(frozen=True, slots=True)
class Scored:
    completion: Completion
    steps: tuple[float, ...]
    """Empty where its verdict was lost."""
    tokens: int
    score: float | None
    """The steps' scores, aggregated; None where there are none."""


@dataclass(frozen=True, slots=True)
class Proposed:
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class TextEmitted:
    """Visible text, as it is decoded."""

    delta: TextDelta


@dataclass(frozen=True, slots=True)
class Shed:
    """The search ended early, since others wait: its vote was decided by a lower posterior than was asked for."""

    confidence: float


@dataclass(frozen=True, slots=True)
class Finished:
    outcome: Outcome
    stopped: Stopped


Event = Sampled | Aborted | Failed | Cast | Executed | Scored | Proposed | TextEmitted | Shed | Finished


class Trace(EventLog[Event]):
    """The record of one request's search.

    Visible text grows in its place: a stream costs its text, and not an event a token, whoever reads it or does not.
    """

    def emit(self, event: Event) -> None:
        last = self.entries[-1] if self.entries else None
        if last and (more := merge_text(last.event, event)):
            self.entries[-1] = Entry(last.seconds, more)
            self.wake()
        else:
            super().emit(event)

    def next_event(self, place: Cursor) -> Event | None:
        """Of text that may grow still, what is new in it."""
        told, event = place.offset, super().next_event(place)
        if not isinstance(event, TextEmitted):
            return event
        place.offset = 0
        if place.index == len(self.entries):
            place.index, place.offset = place.index - 1, len(event.delta.text)
        if told == len(event.delta.text):
            return self.next_event(place) if place.offset == 0 else None
        return TextEmitted(replace(event.delta, text=event.delta.text[told:])) if told else event


def merge_text(first: Event, second: Event) -> TextEmitted | None:
    """Two stretches of text as one."""
    if not isinstance(first, TextEmitted) or not isinstance(second, TextEmitted):
        return None
    speech = first.delta.merge(second.delta)
    return TextEmitted(speech) if speech else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens, exactly as the engine counted them."""

    prompt: int = 0
    """Every distinct prompt once, with what reward models read."""
    cached: int = 0
    """Of `prompt`, those that the engine's prefix cache held."""
    completion: int = 0
    """Every token decoded: kept, dropped, aborted, extraction and verdicts."""
    aborted: int = 0
    """Of `completion`, those of decodes that were stopped."""
    verifier: int = 0
    """What verifying took: tokens decoded for verdicts, and tokens read by reward models."""
    uncounted: int = 0
    """Decodes whose tokens the engine could not tell: they are in none of the numbers."""
    depth: int = 0
    """Of `completion`, those that could only be decoded one after the other: what a client waits for."""


def usage(trace: Trace) -> Usage:
    """The bill. A prompt shared by many samples counts once; a continued prefix was decoded here and counts as that."""
    fresh: dict[tuple[int, int], list[Completion]] = {}
    completion = aborted = verifier = read = uncounted = depth = 0
    for event in trace:
        if isinstance(event, Scored):
            read += event.tokens
        if isinstance(event, Sampled | Aborted):
            made = event.completion
            completion += made.completion_tokens
            uncounted += not made.tokens_known
            depth = max(depth, event.depth)
            aborted += made.completion_tokens if isinstance(event, Aborted) else 0
            verifier += made.completion_tokens if event.role == "verifier" else 0
            fresh.setdefault((id(made.prompt.messages), id(made.prompt.raw)), []).append(made)
    return Usage(
        prompt=sum(map(_prompt_tokens, fresh.values())) + read,
        cached=sum(map(_cached_tokens, fresh.values())),
        completion=completion,
        aborted=aborted,
        verifier=verifier + read,
        uncounted=uncounted,
        depth=depth,
    )


def is_degraded(event: Event) -> bool:
    """Whether it makes the answer a lesser one than the same request would get another time."""
    return isinstance(event, Shed | Failed) or (isinstance(event, Executed) and event.reason == "refused")


def _prompt_tokens(decodes: list[Completion]) -> int:
    """One conversation's tokens once, and what was put into the assistant's mouth each time."""
    base = min(map(_fresh, decodes))
    return base + sum(_fresh(made) - base for made in decodes)


def _cached_tokens(decodes: list[Completion]) -> int:
    """What was cached before the first of them came: the least, for the others found what that one left there."""
    told = (min(made.cached_tokens, _fresh(made)) for made in decodes if made.cached_tokens is not None)
    return min(told, default=0)


def _fresh(made: Completion) -> int:
    """The prompt's tokens less those of a prefix that an earlier decode of this request already paid for."""
    return made.prompt_tokens - sum(len(piece.ids) for piece in made.prompt.segments if piece.ids)


def count_candidates(trace: Trace) -> int:
    """How many answers, or steps of answers, ran to their end."""
    return sum(isinstance(event, Sampled) and event.role in CANDIDATE_ROLES for event in trace)
