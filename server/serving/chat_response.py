"""Builds the response body of a finished search. Every number is computed from the trace."""

from collections.abc import Mapping
from typing import Any

from cogitate.server.engine import Body
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.chat_response import PromptTokensDetails
from cogitate.server.protocol.chat_response import Usage as UsageBody
from cogitate.server.protocol.cogitate import Cogitate, ModelReport, Sample
from cogitate.strategies.core.answer_reader import answers_in_reasoning
from cogitate.strategies.core.events import CANDIDATE_ROLES, Aborted, Cast, Failed, Finished, Sampled, Scored, Shed
from cogitate.strategies.core.model_usage import ModelUsage, usage_by_model
from cogitate.strategies.core.stock import count_reused
from cogitate.strategies.core.trace import Trace, Usage, count_candidates, usage
from cogitate.strategies.core.types import Completion, Outcome

ONLY_REASONING = "A candidate had no text after its reasoning, so its answer was read from the reasoning."
"""A warning to the client."""


def build_completion(plan: Plan, trace: Trace, finished: Finished, body: Body) -> Body:
    """Add the search's usage and result to the winners' body, as the engine wrote it."""
    assert plan.strategy is not None
    spent = usage(trace)
    for choice, outcome in zip(body["choices"], rank_answers(plan, finished), strict=False):
        if plan.strategy.reasoning != "inline":
            _separate_reasoning(choice["message"], outcome, plan)
        if finished.stopped in ("deadline", "budget", "draining") and not _is_tool_call(choice, outcome.completion):
            choice["finish_reason"] = "length"
    return body | {
        "id": plan.id,
        "created": plan.created,
        "model": plan.model,
        "usage": build_usage(spent).model_dump(exclude_unset=True),
        "cogitate": build_cogitate(plan, trace, finished, spent).model_dump(exclude_unset=True),
    }


def rank_answers(plan: Plan, finished: Finished) -> tuple[Outcome, ...]:
    """Return the ranked outcomes, at most as many as the client wants, or as many copies of the only candidate."""
    ranked = (finished.outcome, *finished.outcome.alternatives)
    if plan.strategy and plan.strategy.candidates < plan.answer_count:
        ranked += (finished.outcome,) * (plan.answer_count - len(ranked))
    return ranked[: plan.answer_count]


def _is_tool_call(choice: Body, completion: Completion) -> bool:
    """Whether the choice is a complete tool call, which remains one however short the search was."""
    return completion.finish == "stop" and bool(choice.get("message", {}).get("tool_calls"))


def _separate_reasoning(message: Body, outcome: Outcome, plan: Plan) -> None:
    """Move all but the answer from the content to `reasoning_content`, or drop it where the strategy hides it.

    Where no answer is found the content stays the complete text. It is the reasoning too, since a stream has sent it as
    such while it was decoded.
    """
    reasoning, text = message.get("reasoning_content") or message.get("reasoning") or "", message["content"]
    answer = outcome.answer or plan.reader.read(outcome.completion)
    reasoning += text or ""
    if text and answer and answer.raw and not message.get("tool_calls"):
        message["content"] = answer.raw
    is_hidden = plan.strategy is not None and plan.strategy.reasoning == "hidden"
    message["reasoning"] = message["reasoning_content"] = None if is_hidden else reasoning or None


def build_usage(spent: Usage) -> UsageBody:
    return UsageBody(
        prompt_tokens=spent.prompt,
        completion_tokens=spent.completion,
        total_tokens=spent.prompt + spent.completion,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=spent.cached),
    )


def build_cogitate(plan: Plan, trace: Trace, finished: Finished, spent: Usage) -> Cogitate:
    """Build the `cogitate` object; `samples` is unset unless the strategy returns candidates."""
    assert plan.strategy is not None
    outcome, stepwise = finished.outcome, plan.strategy.stepwise
    more: dict[str, Any] = {}
    models = sum_by_model(plan, trace)
    if warnings := [*plan.warnings, *list_warnings(trace), *warn_of_silent_models(models)]:
        more["warnings"] = warnings
    if models:
        more["models"] = {
            name: ModelReport(candidates=one.candidates, completion_tokens=one.completion)
            for name, one in models.items()
        }
    if reused := count_reused(trace):
        more["reused"] = reused
    if plan.strategy.return_candidates:
        more["samples"] = build_solution_samples(outcome) if stepwise else build_samples(trace, outcome.completion)
    return Cogitate(
        strategy=plan.strategy.name,
        answer=(outcome.answer.raw or None) if outcome.answer else None,
        agreement=None if outcome.agreement is None else round(outcome.agreement, 4),
        score=None if outcome.score is None else round(outcome.score, 6),
        stopped=finished.stopped,
        shed=any(isinstance(event, Shed) for event in trace),
        candidates=1 + len(outcome.alternatives) if stepwise else count_candidates(trace),
        aborted=sum(isinstance(e, Aborted) and e.role in CANDIDATE_ROLES for e in trace),
        failed=sum(isinstance(event, Failed) for event in trace),
        aborted_tokens=spent.aborted,
        verifier_tokens=spent.verifier,
        uncounted=spent.uncounted,
        depth=spent.depth,
        cache="miss" if plan.key else "none",
        trace_id=plan.caller.request_id,
        **more,
    )


def list_warnings(trace: Trace) -> list[str]:
    """List the warnings of the candidates and of their verifiers, each once."""
    made = [event.completion for event in trace if isinstance(event, Sampled) and event.role in CANDIDATE_ROLES]
    warnings = [warning for completion in made for warning in completion.warnings]
    if any(map(answers_in_reasoning, made)):
        warnings.append(ONLY_REASONING)
    warnings += [warning for event in trace if isinstance(event, Scored) for warning in event.warnings]
    return list(dict.fromkeys(warnings))


def sum_by_model(plan: Plan, trace: Trace) -> dict[str, ModelUsage]:
    """Return what each model of a search did, those that draw candidates first; empty where there was one model."""
    assert plan.strategy is not None
    named = [name for names in plan.strategy.other_models.values() for name in names]
    if not named:
        return {}
    spent = usage_by_model(trace, plan.served_model)
    return {name: spent.get(name, ModelUsage()) for name in dict.fromkeys((*named, *spent))}


def warn_of_silent_models(models: Mapping[str, ModelUsage]) -> list[str]:
    """Return a warning for each model all of whose decodes failed, with the first reason."""
    return [
        f"The model {name} did not answer: {one.failures[0]}"
        for name, one in models.items()
        if one.failures and not one.completion
    ]


def build_samples(trace: Trace, winner: Completion) -> list[Sample]:
    """Build a sample for each candidate, in the order of submission."""
    answers = {e.completion.index: e.answer for e in trace if isinstance(e, Cast)}
    scores = {e.completion.index: e.score for e in trace if isinstance(e, Scored)}
    made = [e.completion for e in trace if isinstance(e, Sampled | Aborted) and e.role in CANDIDATE_ROLES]
    return [
        build_sample(Outcome(each, answers.get(each.index), scores.get(each.index)), chosen=each.index == winner.index)
        for each in sorted(made, key=lambda candidate: candidate.index)
    ]


def build_solution_samples(outcome: Outcome) -> list[Sample]:
    """Build a sample for each complete solution of a step-wise search, the best first."""
    return [build_sample(one, chosen=at == 0) for at, one in enumerate((outcome, *outcome.alternatives))]


def build_sample(candidate: Outcome, *, chosen: bool) -> Sample:
    more: dict[str, Any] = {"reused": True} if candidate.completion.reused else {}
    return Sample(
        text=candidate.completion.text,
        answer=candidate.answer.raw if candidate.answer else None,
        score=None if candidate.score is None else round(candidate.score, 6),
        tokens=candidate.completion.completion_tokens,
        finish_reason=candidate.completion.finish,
        chosen=chosen,
        **more,
    )


def relabel(plan: Plan, body: Body, *, cached: bool) -> Body:
    """Copy a body with the id, time, model and trace id of `plan`: another request may have computed it."""
    own = body | {"id": plan.id, "created": plan.created, "model": plan.model}
    if "cogitate" in body:
        cache = {"cache": "hit"} if cached else {}
        own["cogitate"] = body["cogitate"] | {"trace_id": plan.caller.request_id} | cache
    return own
