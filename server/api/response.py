"""A finished trace -> a chat.completion. Every number is a fold over the trace."""

import time

from server.engine import Body
from server.plan import Plan
from strategies.trace import CANDIDATES, Aborted, Cast, Finished, Sampled, Scored, Trace, Usage, usage
from strategies.types import Completion


def completed(plan: Plan, trace: Trace, finished: Finished, body: Body) -> Body:
    """The engine's own chat.completion of the winner, with the whole search's bill and what it found."""
    assert plan.strategy is not None
    (choice,) = body["choices"]
    message = choice["message"]
    answer = finished.outcome.answer
    if plan.strategy.reasoning != "inline" and answer is not None and message["content"]:
        hidden = plan.strategy.reasoning == "hidden"
        message["reasoning"] = message["reasoning_content"] = None if hidden else message["content"]
        message["content"] = answer.raw
    if finished.stopped in ("deadline", "budget"):
        choice["finish_reason"] = "length"
    return body | {
        "id": plan.id,
        "model": plan.model,
        "usage": usage_body(usage(trace)),
        "cogitate": found(plan, trace, finished),
    }


def usage_body(spent: Usage) -> Body:
    return {
        "prompt_tokens": spent.prompt,
        "completion_tokens": spent.completion,
        "total_tokens": spent.prompt + spent.completion,
        "prompt_tokens_details": {"cached_tokens": spent.cached},
    }


def found(plan: Plan, trace: Trace, finished: Finished) -> Body:
    """The `cogitate` object."""
    outcome = finished.outcome
    assert plan.strategy is not None
    seen: Body = {
        "strategy": plan.strategy.name,
        "answer": outcome.answer.raw if outcome.answer else None,
        "agreement": None if outcome.agreement is None else round(outcome.agreement, 4),
        "score": None if outcome.score is None else round(outcome.score, 6),
        "stopped": finished.stopped,
        "candidates": sum(isinstance(e, Sampled) and e.role in CANDIDATES for e in trace),
        "aborted": sum(isinstance(e, Aborted) and e.role in CANDIDATES for e in trace),
        "verifier_tokens": usage(trace).verifier,
        "cache": "miss" if plan.key else "none",
        "trace_id": plan.trace_id,
    }
    return seen | ({"samples": samples(trace, outcome.completion)} if plan.strategy.return_candidates else {})


def samples(trace: Trace, winner: Completion) -> list[Body]:
    """Every candidate, in the order they were asked for."""
    answers = {e.completion.index: e.answer for e in trace if isinstance(e, Cast)}
    scores = {e.completion.index: e.steps for e in trace if isinstance(e, Scored)}
    made = [e.completion for e in trace if isinstance(e, Sampled | Aborted) and e.role in CANDIDATES]
    return [
        {
            "text": candidate.text,
            "answer": answer.raw if (answer := answers.get(candidate.index)) else None,
            "score": list(steps) if (steps := scores.get(candidate.index)) else None,
            "tokens": candidate.completion_tokens,
            "finish_reason": candidate.finish,
            "chosen": candidate.index == winner.index,
        }
        for candidate in sorted(made, key=lambda candidate: candidate.index)
    ]


def replayed(plan: Plan, body: Body) -> Body:
    """A cached answer as the answer to this request."""
    fresh = body | {"id": plan.id, "model": plan.model, "created": int(time.time())}
    if "cogitate" in body:
        fresh["cogitate"] = body["cogitate"] | {"cache": "hit", "trace_id": plan.trace_id}
    return fresh
