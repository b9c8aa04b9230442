"""Converts the events of a search to JSON: progress events of a stream, and traces."""

from typing import cast

from cogitate.server.auth.caller import Caller
from cogitate.server.observability.trace_origin import Origin
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.cogitate import DecodeProgress, Progress
from cogitate.server.protocol.json import dumps
from cogitate.server.protocol.plain_body import PlainBody
from cogitate.server.protocol.trace import SearchTrace, TraceDecode, TraceEvent, TraceUsage
from cogitate.strategies.core.event_log import Entry
from cogitate.strategies.core.trace import (
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
    Trace,
    Usage,
)


def to_progress(event: Event) -> Progress | None:  # noqa: C901 one case an event
    """Convert an event; None for text, which a stream sends as it is decoded."""
    match event:
        case Sampled() | Aborted():
            return _to_decode_progress(event)
        case Failed(index, role, reason, model):
            failure: Progress = {"event": "failed", "role": role, "index": index, "reason": reason}
            return cast("Progress", {**failure, "model": model}) if model else failure
        case Cast(made, answer):
            return {"event": "answer", "index": made.index, "answer": answer.raw if answer else None}
        case Executed(made, result, seconds):
            return {"event": "executed", "index": made.index, "reason": result, "seconds": round(seconds, 6)}
        case Scored(made, steps, score=score):
            rounded = None if score is None else round(score, 6)
            return {"event": "scored", "index": made.index, "score": rounded, "steps": list(steps)}
        case Proposed(outcome):
            leader = outcome.answer.raw if outcome.answer else None
            return {"event": "leading", "answer": leader, "agreement": outcome.agreement, "score": outcome.score}
        case Shed(confidence):
            return {"event": "shed", "confidence": confidence}
        case Finished(outcome, stopped):
            return {"event": "finished", "index": outcome.completion.index, "stopped": stopped}
    return None


def _to_decode_progress(event: Sampled | Aborted) -> DecodeProgress:
    made = event.completion
    progress: DecodeProgress = {
        "event": "sampled" if isinstance(event, Sampled) else "aborted",
        "role": event.role,
        "index": made.index,
        "tokens": made.completion_tokens,
    }
    if made.prompt.model:
        progress["model"] = made.prompt.model
    if made.reused:
        progress["reused"] = True
    return progress


def to_trace_event(entry: Entry[Event]) -> TraceEvent | None:
    """Convert an event with its time in seconds and, of a decode, its text; None for text as it is decoded."""
    at = round(entry.seconds, 6)
    if isinstance(entry.event, Sampled | Aborted):
        return _to_trace_decode(entry.event, at)
    progress = to_progress(entry.event)
    return None if progress is None else cast("TraceEvent", {"at": at, **progress})


def _to_trace_decode(event: Sampled | Aborted, at: float) -> TraceDecode:
    made = event.completion
    progress = _to_decode_progress(event)
    text = {"text": made.text, "finish_reason": made.finish, "continues": bool(made.prompt.segments)}
    decode = cast("TraceDecode", {"at": at, **progress, **text})
    if made.tool_calls:
        decode["tool_calls"] = [{"name": call.name, "arguments": call.arguments} for call in made.tool_calls]
    return decode


def dump_request(plan: Plan) -> bytes:
    """Encode the request as the client sent it."""
    if isinstance(plan.request, PlainBody):
        return dumps(plan.request.content)
    return dumps(plan.request.model_dump(mode="json", exclude_unset=True, exclude_none=True, by_alias=True))


def dump_trace(plan: Plan, trace: Trace, spent: Usage, status: str) -> bytes:
    """Encode a trace without its request."""
    events = [event for entry in trace.entries if (event := to_trace_event(entry))]
    return dumps(_build_trace(plan.caller, Origin.of(plan, plan.number), status, spent, events))


def dump_cached_trace(caller: Caller, origin: Origin) -> bytes:
    """Encode the trace of a request that decoded nothing: its answer is cached, and no trace of its search exists."""
    return dumps({"request": None, **_build_trace(caller, origin, "cached", Usage(), [])})


def _build_trace(caller: Caller, origin: Origin, status: str, spent: Usage, events: list[TraceEvent]) -> SearchTrace:
    usage: TraceUsage = {
        "prompt_tokens": spent.prompt,
        "cached_tokens": spent.cached,
        "completion_tokens": spent.completion,
        "aborted_tokens": spent.aborted,
        "verifier_tokens": spent.verifier,
        "uncounted": spent.uncounted,
        "depth": spent.depth,
    }
    return {
        "id": caller.request_id,
        "object": "trace",
        "status": status,
        "created": origin.created,
        "model": origin.model,
        "strategy": origin.strategy,
        "usage": usage,
        "events": events,
    }
