"""A finished trace -> a chat.completion. Every number is a fold over the trace."""

from cogitate.server.engine import Body
from cogitate.server.planning.plan import Plan
from cogitate.strategies.core.trace import (
    CANDIDATE_ROLES,
    Aborted,
    Cast,
    Failed,
    Finished,
    Sampled,
    Scored,
    Shed,
    Trace,
    Usage,
    count_candidates,
    usage,
)
from cogitate.strategies.core.types import Completion, Outcome


def build_completion(plan: Plan, trace: Trace, finished: Finished, body: Body) -> Body:
    """The engine's own body of the winners, with the whole search's bill and what it found."""
    assert plan.strategy is not None
    spent = usage(trace)
    ranked = (finished.outcome, *finished.outcome.alternatives)
    for choice, outcome in zip(body["choices"], ranked, strict=False):
        if plan.strategy.reasoning != "inline":
            _set_apart(choice["message"], outcome, plan)
        if finished.stopped in ("deadline", "budget") and not is_tool_call(choice, outcome.completion):
            choice["finish_reason"] = "length"
    return body | {
        "id": plan.id,
        "created": plan.created,
        "model": plan.model,
        "usage": build_usage(spent),
        "cogitate": build_cogitate(plan, trace, finished, spent),
    }


def is_tool_call(choice: Body, completion: Completion) -> bool:
    """Whether it is a whole call of a tool: that is made, however short the search was."""
    return completion.finish == "stop" and bool(choice.get("message", {}).get("tool_calls"))


def _set_apart(message: Body, outcome: Outcome, plan: Plan) -> None:
    """The answer in the content, what led to it in reasoning_content or nowhere.

    Where none is read the content is the whole text: told as reasoning too, for so it was told as it was decoded.
    """
    thought, text = message.get("reasoning_content") or message.get("reasoning") or "", message["content"]
    answer = outcome.answer or plan.reader.read(outcome.completion)
    thought += text or ""
    if text and answer and answer.raw and not message.get("tool_calls"):
        message["content"] = answer.raw
    hidden = plan.strategy is not None and plan.strategy.reasoning == "hidden"
    message["reasoning"] = message["reasoning_content"] = None if hidden else thought or None


def build_usage(spent: Usage) -> Body:
    return {
        "prompt_tokens": spent.prompt,
        "completion_tokens": spent.completion,
        "total_tokens": spent.prompt + spent.completion,
        "prompt_tokens_details": {"cached_tokens": spent.cached},
    }


def build_cogitate(plan: Plan, trace: Trace, finished: Finished, spent: Usage) -> Body:
    """The `cogitate` object."""
    outcome = finished.outcome
    assert plan.strategy is not None
    seen: Body = {
        "strategy": plan.strategy.name,
        "answer": (outcome.answer.raw or None) if outcome.answer else None,
        "agreement": None if outcome.agreement is None else round(outcome.agreement, 4),
        "score": None if outcome.score is None else round(outcome.score, 6),
        "stopped": finished.stopped,
        "shed": any(isinstance(event, Shed) for event in trace),
        "candidates": 1 + len(outcome.alternatives) if plan.strategy.stepwise else count_candidates(trace),
        "aborted": sum(isinstance(e, Aborted) and e.role in CANDIDATE_ROLES for e in trace),
        "failed": sum(isinstance(event, Failed) for event in trace),
        "aborted_tokens": spent.aborted,
        "verifier_tokens": spent.verifier,
        "uncounted": spent.uncounted,
        "depth": spent.depth,
        "cache": "miss" if plan.key else "none",
        "trace_id": plan.caller.request_id,
    }
    if not plan.strategy.return_candidates:
        return seen
    return seen | {"samples": build_solution_samples(outcome) if plan.strategy.stepwise else build_samples(trace, outcome.completion)}


def build_samples(trace: Trace, winner: Completion) -> list[Body]:
    """Every candidate, in the order they were asked for."""
    answers = {e.completion.index: e.answer for e in trace if isinstance(e, Cast)}
    scores = {e.completion.index: e.score for e in trace if isinstance(e, Scored)}
    made = [e.completion for e in trace if isinstance(e, Sampled | Aborted) and e.role in CANDIDATE_ROLES]
    return [
        build_sample(Outcome(each, answers.get(each.index), scores.get(each.index)), chosen=each.index == winner.index)
        for each in sorted(made, key=lambda candidate: candidate.index)
    ]


def build_solution_samples(outcome: Outcome) -> list[Body]:
    """The solutions that a search over steps ended with, the best first: whole, and not step by step as decoded."""
    return [build_sample(one, chosen=at == 0) for at, one in enumerate((outcome, *outcome.alternatives))]


def build_sample(candidate: Outcome, *, chosen: bool) -> Body:
    return {
        "text": candidate.completion.text,
        "answer": candidate.answer.raw if candidate.answer else None,
        "score": None if candidate.score is None else round(candidate.score, 6),
        "tokens": candidate.completion.completion_tokens,
        "finish_reason": candidate.completion.finish,
        "chosen": chosen,
    }


def relabel(plan: Plan, body: Body, *, cached: bool = False) -> Body:
    """An answer as the answer to this request: it may have been found for another one that asked the same."""
    own = body | {"id": plan.id, "created": plan.created, "model": plan.model}
    if "cogitate" in body:
        cache = {"cache": "hit"} if cached else {}
        own["cogitate"] = body["cogitate"] | {"trace_id": plan.caller.request_id} | cache
    return own
