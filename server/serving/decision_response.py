"""Builds the response body of a decisions request from the estimates of its questions."""

from collections.abc import Sequence

from cogitate.server.engine import Body
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.decision_response import (
    Answer,
    ChoiceAnswer,
    ChoiceProbability,
    DecisionInputTokens,
    DecisionResponse,
    DecisionSummary,
    DecisionUsage,
    PredicateAnswer,
    ReadSummary,
    RefusalAnswer,
    ScoreAnswer,
    ScoreProbability,
)
from cogitate.server.protocol.decisions import AnyQuestion, ChoiceQuestion, DecisionRequest, PredicateQuestion
from cogitate.strategies.decisions.decide import Bill
from cogitate.strategies.decisions.estimate import Estimate


def build_decision(plan: Plan, estimates: Sequence[Estimate | None], bill: Bill) -> Body:
    request = plan.request
    assert isinstance(request, DecisionRequest)
    response = DecisionResponse(
        model=plan.model,
        answers=list(map(build_answer, request.questions, estimates)),
        usage=build_usage(bill),
        cogitate=DecisionSummary(
            orders=request.orders,
            repeats=request.repeats,
            reads=bill.reads,
            failed=bill.failed,
            uncounted=bill.uncounted,
            cache="miss" if plan.key else "none",
        ),
    )
    return response.model_dump()


def build_answer(question: AnyQuestion, estimate: Estimate | None) -> Answer:
    if estimate is None:
        return RefusalAnswer(name=question.name)
    name, shares = question.name, estimate.probabilities
    summary = ReadSummary(
        reads=estimate.reads,
        spread=estimate.spread,
        agreement=estimate.agreement,
        label_mass=estimate.label_mass,
    )
    if isinstance(question, PredicateQuestion):
        return PredicateAnswer(name=name, probability=shares[1], cogitate=summary)
    if isinstance(question, ChoiceQuestion):
        values = [choice.value for choice in question.choices]
        return ChoiceAnswer(
            name=name,
            choice=values[estimate.best],
            probabilities=[
                ChoiceProbability(value=value, probability=share) for value, share in zip(values, shares, strict=True)
            ],
            confidence=estimate.confidence,
            cogitate=summary,
        )
    return ScoreAnswer(
        name=name,
        score=sum(index * share for index, share in enumerate(shares)),
        probabilities=[
            ScoreProbability(value=index, label=level.label, probability=share)
            for index, (level, share) in enumerate(zip(question.levels, shares, strict=True))
        ],
        confidence=estimate.confidence,
        cogitate=summary,
    )


def build_usage(bill: Bill) -> DecisionUsage:
    return DecisionUsage(
        input_tokens=bill.prompt_tokens,
        input_tokens_details=DecisionInputTokens(cached_tokens=bill.cached_tokens),
        output_tokens=bill.completion_tokens,
        total_tokens=bill.prompt_tokens + bill.completion_tokens,
    )


def relabel_decision(plan: Plan, body: Body, *, cached: bool) -> Body:
    """Copy a body with the model's name in `plan`: another request may have computed it."""
    cache = {"cache": "hit"} if cached else {}
    return body | {"model": plan.model, "cogitate": body["cogitate"] | cache}
