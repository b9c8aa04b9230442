"""The events of one request's search, in order. Usage, metrics, streams and the response are folds over them."""

from dataclasses import dataclass, replace

from cogitate.strategies.core.event_log import Cursor, Entry, EventLog
from cogitate.strategies.core.events import (
    CANDIDATE_ROLES,
    Aborted,
    Event,
    Executed,
    Failed,
    Sampled,
    Scored,
    Shed,
    Started,
    TextEmitted,
)
from cogitate.strategies.core.prompt_tokens import count_cached_tokens, count_prompt_tokens
from cogitate.strategies.core.types import Completion


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
