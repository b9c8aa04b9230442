"""Converts the events of a search to JSON: those of its trace, and the progress chunks of its stream."""

from typing import Any, cast

from cogitate.server.protocol.cogitate import Progress
from cogitate.server.protocol.trace import TraceEvent
from cogitate.server.protocol.trace_events import DecodeFields
from cogitate.strategies.core.election import Election
from cogitate.strategies.core.event_log import Entry
from cogitate.strategies.core.events import (
    Aborted,
    Cast,
    Event,
    Executed,
    Failed,
    Finished,
    Proposed,
    Sampled,
    Scored,
    Shed,
    Started,
    TextEmitted,
)
from cogitate.strategies.core.prompt_tokens import count_prefix_tokens
from cogitate.strategies.core.types import Outcome
from cogitate.strategies.voting.ballot import completeness

PROGRESS_NAMES: dict[type[Event], str] = {
    Sampled: "sampled",
    Aborted: "aborted",
    Failed: "failed",
    Cast: "answer",
    Executed: "executed",
    Scored: "scored",
    Proposed: "leading",
    Shed: "shed",
    Finished: "finished",
}
"""The `event` of a progress chunk. Streams do not tell when a decode starts."""
KINDS: dict[type[Event], str] = {
    Started: "start",
    Sampled: "decode",
    Aborted: "decode",
    Failed: "failure",
    Cast: "vote",
    Executed: "execution",
    Scored: "verdict",
    Proposed: "leader",
    Shed: "shed",
    Finished: "end",
}
"""The `kind` of an event in a trace."""


def to_progress(event: Event, model: str, *, text: bool = False) -> Progress | None:
    """Convert an event for a stream; None where it has no place there. `text`: with the texts of decodes.

    `model`: the name of the request's own.
    """
    name = PROGRESS_NAMES.get(type(event))
    return cast("Progress", {"event": name, **_list_fields(event, model, text=text)}) if name else None


def to_trace_event(entry: Entry[Event], model: str, *, text: bool = True) -> TraceEvent | None:
    """Convert an event with its time; None for text as it is decoded, which decodes have. `model`: as above."""
    kind = KINDS.get(type(entry.event))
    if kind is None:
        return None
    fields = _list_fields(entry.event, model, text=text)
    if isinstance(entry.event, Finished):
        fields |= _list_election_fields(entry.event.outcome.election)
    return cast("TraceEvent", {"at": round(entry.seconds, 6), "kind": kind, **fields})


def _list_fields(event: Event, model: str, *, text: bool) -> Any:  # noqa: ANN401, C901 one case an event
    match event:
        case Started():
            decode = {"index": event.index, "role": event.role, "parent": event.parent}
            return {**decode, "model": event.model or model, "seed": event.seed}
        case Sampled() | Aborted():
            return _list_decode_fields(event, model, text=text)
        case Failed(index, role, reason, own_model):
            return {"index": index, "role": role, "reason": reason, "model": own_model or model}
        case Cast(made, answer, bloc, weight):
            raw = answer.raw if answer else None
            return {"index": made.index, "answer": raw, "class": bloc, "weight": weight}
        case Executed(made, result, seconds):
            return {"index": made.index, "reason": result, "seconds": round(seconds, 6)}
        case Scored(made, steps, tokens, score):
            rounded = None if score is None else round(score, 6)
            verdict = {"index": made.index, "verifier": event.verifier, "score": rounded}
            return {**verdict, "steps": list(steps), "tokens": tokens}
        case Proposed(outcome):
            return _list_outcome_fields(outcome)
        case Shed(confidence):
            return {"confidence": confidence}
        case Finished(outcome, stopped):
            return {**_list_outcome_fields(outcome), "stopped": stopped}
        case TextEmitted():
            return {}


def _list_election_fields(election: Election[Outcome] | None) -> dict[str, object]:
    electorate = election.electorate if election else ()
    is_by_merit = election is not None and (
        election.rule == "merit" or (election.rule == "votes" and not any(outcome.answer for outcome in electorate))
    )
    rows = [
        {
            "index": outcome.completion.index,
            "score": outcome.score,
            "complete": completeness(outcome) if is_by_merit else None,  # it reads the text
            "logprob": outcome.completion.mean_logprob,
            "characters": len(outcome.completion.text),
        }
        for outcome in electorate
    ]
    return {"rule": election.rule if election else None, "electorate": rows}


def _list_outcome_fields(outcome: Outcome) -> dict[str, object]:
    return {
        "index": outcome.completion.index,
        "answer": outcome.answer.raw if outcome.answer else None,
        "agreement": outcome.agreement,
        "score": outcome.score,
    }


def _list_decode_fields(event: Sampled | Aborted, model: str, *, text: bool) -> DecodeFields:
    made, start = event.completion, event.start
    fields: DecodeFields = {
        "index": made.index,
        "role": event.role,
        "parent": start.parent if start else None,
        "depth": event.depth,
        "model": made.prompt.model or model,
        "seed": start.seed if start else None,
        "started": round(start.seconds, 6) if start else None,
        "tokens": made.completion_tokens,
        "finish_reason": made.finish,
        "aborted": isinstance(event, Aborted),
        "characters": len(made.text),
        "logprob": made.mean_logprob,
        "prompt": start.prompt if start else None,
        "prompt_tokens": made.prompt_tokens,
        "cached_tokens": made.cached_tokens,
        "prefix_tokens": count_prefix_tokens(made),
        "counted": made.tokens_known,
    }
    if made.reused:
        fields["reused"] = True
    if text:
        fields["text"] = made.text
    if made.tool_calls:
        fields["tool_calls"] = [{"name": call.name, "arguments": call.arguments} for call in made.tool_calls]
    return fields
