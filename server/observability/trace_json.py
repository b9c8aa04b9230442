"""Encodes traces: those of running and finished searches, and of requests that received another's answer."""

from cogitate.server.auth.caller import Caller
from cogitate.server.observability.event_json import to_trace_event
from cogitate.server.observability.trace_origin import Origin
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.json import dumps
from cogitate.server.protocol.plain_body import PlainBody
from cogitate.server.protocol.trace import TRACE_VERSION, TraceSummary, TraceUsage
from cogitate.strategies.core.events import Finished
from cogitate.strategies.core.trace import Trace, Usage


def dump_request(plan: Plan) -> bytes:
    """Encode the request as the client sent it."""
    if isinstance(plan.request, PlainBody):
        return dumps(plan.request.content)
    return dumps(plan.request.model_dump(mode="json", exclude_unset=True, exclude_none=True, by_alias=True))


def dump_trace(plan: Plan, trace: Trace, spent: Usage, status: str, *, text: bool = True) -> bytes:
    """Encode a trace without its request. `text`: with the texts of its decodes."""
    events = [event for entry in trace.entries if (event := to_trace_event(entry, plan.served_model, text=text))]
    return dumps({**build_summary(plan, trace, spent, status), "events": events})


def dump_summary(plan: Plan, trace: Trace, spent: Usage, status: str) -> bytes:
    """Encode a trace without its events and its request."""
    return dumps(build_summary(plan, trace, spent, status))


def build_summary(plan: Plan, trace: Trace, spent: Usage, status: str) -> TraceSummary:
    """Build a trace without its events."""
    summary = _build_summary(plan.caller.request_id, Origin.of(plan, plan.number), status, spent)
    summary["seed"] = plan.sampling.seed
    end = trace.entries[-1].event if trace.entries else None
    if isinstance(end, Finished):
        summary["answer"] = end.outcome.answer.raw if end.outcome.answer else None
        summary["agreement"], summary["stopped"] = end.outcome.agreement, end.stopped
    return summary


def dump_cached_trace(caller: Caller, origin: Origin) -> bytes:
    """Encode the trace of a request that decoded nothing: its answer is cached, and no trace of its search exists."""
    summary = _build_summary(caller.request_id, origin, "cached", Usage())
    return dumps({"request": None, **summary, "events": []})


def _build_summary(request_id: str, origin: Origin, status: str, spent: Usage) -> TraceSummary:
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
        "id": request_id,
        "object": "trace",
        "version": TRACE_VERSION,
        "status": status,
        "created": origin.created,
        "model": origin.model,
        "strategy": origin.strategy,
        "seed": None,
        "usage": usage,
        "answer": None,
        "agreement": None,
        "stopped": None,
    }
