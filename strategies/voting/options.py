"""What a vote may be told: its options, and what follows from them before it begins."""

from typing import Literal

from pydantic import Field, model_validator

from cogitate.strategies.core.ports import Ability
from cogitate.strategies.verifiers.options import Verified
from cogitate.strategies.voting.confidence import ALTERNATIVES, KEPT
from cogitate.strategies.voting.stop_rules import VoteRule, lanes
from cogitate.strategies.voting.tally import Rules
from cogitate.strategies.voting.weights import Weights

NEEDS: dict[Weights, frozenset[Ability]] = {
    "confidence": frozenset({"logprobs"}),
    "p_true": frozenset({"continue", "logprobs"}),
}
WARMUP = 16
"""DeepConf's."""


class Voting(Verified):
    """The options of self-consistency."""

    n: int = Field(default=8, ge=1, le=256, description="Samples at most; exactly n with stop_rule none")
    stop_rule: VoteRule = Field(
        default="beta",
        description="none; certain: cannot be overtaken; beta: would probably win a vote without end; predictive: will "
        "probably win this one of n; windows: as many in a row agree; consensus: has that share of all weight",
    )
    confidence: float = Field(
        default=0.95,
        gt=0.5,
        lt=1,
        description="The probability at which beta and predictive stop, the share at which consensus does",
    )
    window: int = Field(default=5, ge=2, le=64, description="The samples in a row that must agree for windows")
    concurrency: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Samples in flight at once; null: 3/8 of n, a quarter while others wait, and at least 4 (for "
        "predictive three quarters of that); all of n with stop_rule none",
    )
    weights: Weights = Field(
        default="none",
        description="What a vote weighs. none: 1; confidence: the model's, while it wrote; p_true: how sure it says it "
        "is, one more token a sample; verifier: that score",
    )
    softmax_temperature: float = Field(
        default=0.5, ge=0.01, le=100, description="Of p_true: lower, and the surest decide; higher, and all weigh alike"
    )
    floor: Literal["none", "low", "high"] = Field(
        default="none",
        description="Ends a sample as it is decoded where it is less confident than those of the warm-up were. low "
        "keeps as many as their surest tenth, high as their surest nine tenths",
    )
    warmup: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Samples in full before there is a floor, or a consensus; null: 16, and at most half of n",
    )

    @model_validator(mode="after")
    def _fits(self) -> "Voting":
        if self.stop_rule == "certain" and self.weights == "confidence":
            raise ValueError("stop_rule certain cannot be known with weights confidence: a vote has no greatest weight")
        if self.weights != "verifier" and (self.verifier, self.aggregation) != (None, None):
            raise ValueError("verifier and aggregation need weights verifier")
        if self.warmup is not None and self.floor == "none" and self.stop_rule != "consensus":
            raise ValueError("warmup is for a floor, or for stop_rule consensus")
        return self

    @property
    def verifiers(self) -> tuple[str, ...]:
        return (self.verifier or "judge",) if self.weights == "verifier" else ()

    @property
    def first(self) -> int:
        """Samples of the warm-up."""
        return min(self.warmup or min(WARMUP, max(1, self.n // 2)), self.n)

    @property
    def waves(self) -> tuple[int, ...]:
        """How many samples are drawn one wave after the other; the later ones have a floor."""
        return (self.n,) if self.floor == "none" else (self.first, self.n - self.first)

    @property
    def kept(self) -> float | None:
        """The share of the warm-up that is not below the floor."""
        return KEPT.get(self.floor)

    def lanes(self, *, pressed: bool = False) -> int:
        """Samples in flight; `pressed`: while others wait."""
        if self.stop_rule == "windows":
            return self.concurrency or self.window
        return self.concurrency or lanes(self.stop_rule, self.n, pressed=pressed)

    @property
    def in_flight(self) -> int:
        """Samples; but where all are weighed at once, all of them."""
        return min(self.lanes() if self.weights in ("none", "confidence") else self.n, self.n)

    @property
    def candidates(self) -> int:
        return self.n

    @property
    def logprobs(self) -> int | None:
        return ALTERNATIVES if self.weights == "confidence" or self.floor != "none" else None

    @property
    def needs(self) -> frozenset[Ability]:
        floor: frozenset[Ability] = frozenset({"logprobs"}) if self.floor != "none" else frozenset()
        return NEEDS.get(self.weights, frozenset()) | floor

    @property
    def compares(self) -> bool:
        """Where nothing is weighed before all votes are in."""
        return self.stop_rule in ("none", "windows")

    def cost(self, max_tokens: int) -> int:
        return self.n * (max_tokens + (self.weights == "p_true")) + (self.weights == "verifier") * self.verdicts(self.n)

    @property
    def rules(self) -> Rules:
        """When it is decided. Under load a little less is enough, unless the client has said how much."""
        return Rules(
            self.stop_rule, self.n, self.confidence, self.window, self.first, "confidence" not in self.model_fields_set
        )
