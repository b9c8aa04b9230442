"""The events of a search as JSON: progress in a stream, and the trace that is kept."""

from cogitate.server.auth.caller import Caller
from cogitate.server.engine import Body
from cogitate.server.observability.trace_origin import Borrowed
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.json import dumps
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


def to_progress(happened: Event) -> Body | None:  # noqa: C901 one case an event
    """An event as a report; None for what is no news (text as it is spoken)."""
    match happened:
        case Sampled(role, made) | Aborted(role, made):
            kind = "sampled" if isinstance(happened, Sampled) else "aborted"
            return {"event": kind, "role": role, "index": made.index, "tokens": made.completion_tokens}
        case Failed(index, role, reason):
            return {"event": "failed", "role": role, "index": index, "reason": reason}
        case Cast(made, answer):
            return {"event": "answer", "index": made.index, "answer": answer.raw if answer else None}
        case Executed(made, reason, seconds):
            return {"event": "executed", "index": made.index, "reason": reason, "seconds": round(seconds, 6)}
        case Scored(made, steps, score=score):
            return {"event": "scored", "index": made.index, "score": round_score(score), "steps": list(steps)}
        case Proposed(outcome):
            leader = outcome.answer.raw if outcome.answer else None
            return {"event": "leading", "answer": leader, "agreement": outcome.agreement, "score": outcome.score}
        case Shed(confidence):
            return {"event": "shed", "confidence": confidence}
        case Finished(outcome, stopped):
            return {"event": "finished", "index": outcome.completion.index, "stopped": stopped}
    return None


def round_score(score: float | None) -> float | None:
    return None if score is None else round(score, 6)


def to_trace_event(entry: Entry[Event]) -> Body | None:
    """One line of a trace: what happened, when, and what a candidate said."""
    report = to_progress(entry.event)
    if report is None:
        return None
    if isinstance(entry.event, Sampled | Aborted):
        made = entry.event.completion
        report |= {"text": made.text, "finish_reason": made.finish, "continues": bool(made.prompt.segments)}
        if made.tool_calls:
            report["tool_calls"] = [{"name": call.name, "arguments": call.arguments} for call in made.tool_calls]
    return {"at": round(entry.seconds, 6)} | report


def dump_request(plan: Plan) -> bytes:
    return dumps(plan.request.model_dump(mode="json", exclude_unset=True, exclude_none=True, by_alias=True))


def dump_trace(plan: Plan, trace: Trace, spent: Usage, status: str) -> bytes:
    """All but what was asked: the strategy with its options, the bill, and every event with its time in seconds."""
    events = [report for entry in trace.entries if (report := to_trace_event(entry))]
    return dumps(_trace(plan.caller, Borrowed.by(plan, plan.number), status, spent, events))


def dump_cached_trace(caller: Caller, borrowed: Borrowed) -> bytes:
    """Of a request that nothing was decoded for, where the search that found its answer is told no more."""
    return dumps({"request": None} | _trace(caller, borrowed, "cached", Usage(), []))


def _trace(caller: Caller, of: Borrowed, status: str, spent: Usage, events: list[Body]) -> Body:
    return {
        "id": caller.request_id,
        "object": "trace",
        "status": status,
        "created": of.created,
        "model": of.model,
        "strategy": of.strategy.model_dump(mode="json") if of.strategy else None,
        "usage": {
            "prompt_tokens": spent.prompt,
            "cached_tokens": spent.cached,
            "completion_tokens": spent.completion,
            "aborted_tokens": spent.aborted,
            "verifier_tokens": spent.verifier,
            "uncounted": spent.uncounted,
            "depth": spent.depth,
        },
        "events": events,
    }
