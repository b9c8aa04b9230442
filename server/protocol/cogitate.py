"""The `cogitate` object of an answer, its samples, and the progress events of a search.

What is built once for each answer is a pydantic model. Progress events are typed dictionaries: a search may emit
thousands, and orjson writes a dictionary as it stands.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt

from cogitate.server.protocol.trace_events import (
    DecodeFields,
    EndFields,
    ExecutionFields,
    FailureFields,
    LeaderFields,
    ShedFields,
    VerdictFields,
    VoteFields,
)
from cogitate.strategies.core.events import Stopped


class Sample(BaseModel):
    """One candidate, in `cogitate.samples`."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    text: str
    answer: str | None = None
    """As extracted from the text; null where none was found."""
    score: float | None = None
    """The verifier's score in [0, 1], rounded to 6 digits; null where it was not scored."""
    tokens: NonNegativeInt
    finish_reason: str | None = None
    chosen: bool = False
    """Whether this candidate is the answer."""
    reused: bool = False
    """Whether an earlier request drew it, so that it cost nothing now; absent where not."""


class ModelReport(BaseModel):
    """What one of several models did."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    candidates: NonNegativeInt
    """Candidates that ran to their end."""
    completion_tokens: NonNegativeInt
    """All tokens that it decoded, those of verdicts and syntheses included."""


class Cogitate(BaseModel):
    """What a strategy did to find an answer."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    strategy: str = ""
    answer: str | None
    """The extracted answer; null where none was found in the chosen text."""
    agreement: float | None = None
    """Share of the vote that the answer won, in [0, 1]; null where the strategy does not vote."""
    score: float | None = None
    """The verifier's score of the answer, in [0, 1]; null without a verifier."""
    stopped: Stopped
    """Why the search ended."""
    shed: bool = False
    """Whether it stopped at a lower confidence than asked for because other requests waited."""
    candidates: NonNegativeInt
    reused: NonNegativeInt = 0
    """Of `candidates`, those that earlier requests drew, which cost nothing now; absent where there are none."""
    aborted: NonNegativeInt = 0
    """Candidates that were stopped before their end."""
    failed: NonNegativeInt = 0
    """Decodes that the engine lost."""
    aborted_tokens: NonNegativeInt
    verifier_tokens: NonNegativeInt
    uncounted: NonNegativeInt = 0
    """Decodes whose tokens the engine did not report: `usage` has a lower bound of them."""
    depth: NonNegativeInt = 0
    """Tokens decoded one after the other on the longest path; 0 where the server does not report it."""
    cache: Literal["hit", "miss", "none"] = "none"
    """`none`: this answer is neither read from the cache nor stored."""
    trace_id: str | None = None
    """The id for `GET /v1/traces/{id}`."""
    warnings: list[str] = []
    """What to know before relying on the answer; absent where there is nothing."""
    models: dict[str, ModelReport] = {}
    """What each model did; absent unless the strategy names models."""
    samples: list[Sample] = []
    """Every candidate; absent unless `strategy.return_candidates` is set."""


class DecodeProgress(DecodeFields):
    event: Literal["sampled", "aborted"]


class FailureProgress(FailureFields):
    event: Literal["failed"]


class AnswerProgress(VoteFields):
    event: Literal["answer"]


class ExecutionProgress(ExecutionFields):
    event: Literal["executed"]


class ScoreProgress(VerdictFields):
    event: Literal["scored"]


class LeaderProgress(LeaderFields):
    event: Literal["leading"]


class ShedProgress(ShedFields):
    event: Literal["shed"]


class EndProgress(EndFields):
    event: Literal["finished"]


Progress = (
    DecodeProgress
    | FailureProgress
    | AnswerProgress
    | ExecutionProgress
    | ScoreProgress
    | LeaderProgress
    | ShedProgress
    | EndProgress
)
