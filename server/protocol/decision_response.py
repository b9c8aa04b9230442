"""Answer of `POST /v1/decisions`: OpenAI's `Decision`, with a `cogitate` object in it and in each of its answers."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

from cogitate.strategies.decisions.question import OrderSet

Share = Annotated[float, Field(ge=0, le=1)]


class AnswerModel(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class ReadSummary(AnswerModel):
    """How the reads of one question agree. This server's own."""

    reads: NonNegativeInt
    """Prompts of which the answer is the mean: one for each order of the options and each repeat."""
    spread: Share
    """The largest difference between two reads in the probability of one option; 0: no order made a difference."""
    agreement: Share
    """Share of the reads whose own most probable option is the answer's."""
    label_mass: Share
    """Mean probability that the model gave to the options' letters, over its whole vocabulary. A low value means that
    it wanted to reply something else."""


class PredicateAnswer(AnswerModel):
    type: Literal["predicate"] = "predicate"
    name: str | None
    probability: Share
    """That the statement is true."""
    cogitate: ReadSummary


class ChoiceProbability(AnswerModel):
    value: str | bool
    probability: Share


class ChoiceAnswer(AnswerModel):
    type: Literal["choice"] = "choice"
    name: str | None
    choice: str | bool
    """The most probable value."""
    probabilities: list[ChoiceProbability]
    """In the order of the question's choices."""
    confidence: Share
    """The probability of `choice` times the label mass, as in vLLM."""
    cogitate: ReadSummary


class ScoreProbability(AnswerModel):
    value: NonNegativeInt
    """The level's index."""
    label: str
    probability: Share


class ScoreAnswer(AnswerModel):
    type: Literal["score"] = "score"
    name: str | None
    score: Annotated[float, Field(ge=0)]
    """The expected index."""
    probabilities: list[ScoreProbability]
    confidence: Share
    """The probability of the most probable level times the label mass, as in vLLM."""
    cogitate: ReadSummary


class RefusalAnswer(AnswerModel):
    """The model gave none of the options a probability."""

    type: Literal["refusal"] = "refusal"
    name: str | None


Answer = Annotated[PredicateAnswer | ChoiceAnswer | ScoreAnswer | RefusalAnswer, Field(discriminator="type")]


class DecisionInputTokens(AnswerModel):
    cached_tokens: NonNegativeInt
    cache_write_tokens: NonNegativeInt = 0


class DecisionOutputTokens(AnswerModel):
    reasoning_tokens: NonNegativeInt = 0


class DecisionUsage(AnswerModel):
    """The tokens of all reads: each prompt counts, also where the engine had its beginning in its cache."""

    input_tokens: NonNegativeInt
    input_tokens_details: DecisionInputTokens
    output_tokens: NonNegativeInt
    output_tokens_details: DecisionOutputTokens = DecisionOutputTokens()
    total_tokens: NonNegativeInt


class DecisionSummary(AnswerModel):
    """How the answers were found. This server's own."""

    orders: OrderSet
    repeats: NonNegativeInt
    reads: NonNegativeInt
    """Prompts that were read, of all questions."""
    failed: NonNegativeInt = 0
    """Reads that the engine lost; the answers are the means of the others."""
    uncounted: NonNegativeInt = 0
    """Reads whose tokens the engine did not report: `usage` has a lower bound of them."""
    cache: Literal["hit", "miss", "none"] = "none"
    """`none`: this answer is neither read from the cache nor stored."""


class DecisionResponse(AnswerModel):
    model: str
    answers: list[Answer]
    """In the order of the questions."""
    usage: DecisionUsage
    cogitate: DecisionSummary
