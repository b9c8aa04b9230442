"""Options of self-consistency, and the limits that follow from them."""

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from cogitate.strategies.core.confidence_monitor import TOP_ALTERNATIVES
from cogitate.strategies.core.models import ModelsOptions
from cogitate.strategies.core.ports import Ability
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.verifiers.options import VerifierOptions
from cogitate.strategies.voting.confidence import WARMUP_SHARE
from cogitate.strategies.voting.launch_policy import (
    CONCURRENCY_DESCRIPTION,
    PREFER_DESCRIPTION,
    LaunchPolicy,
    Preference,
)
from cogitate.strategies.voting.stop_rules import VoteRule, votes_to_settle
from cogitate.strategies.voting.tally import StopCriteria
from cogitate.strategies.voting.weights import WeightKind

REQUIRED_ABILITIES: dict[WeightKind, frozenset[Ability]] = {
    "confidence": frozenset({"logprobs"}),
    "p_true": frozenset({"continue", "logprobs"}),
}
"""What each kind of vote weight needs from the engine."""
DEFAULT_WARMUP_SAMPLES = 16
"""DeepConf's warm-up."""


class VotingOptions(ModelsOptions, VerifierOptions):
    """The options of self-consistency."""

    may_stop_early: ClassVar[bool] = True

    n: int = Field(default=8, ge=1, le=256, description="Maximum number of samples; exactly n with `stop_rule` `none`.")
    stop_rule: VoteRule = Field(
        default="predictive",
        description="When sampling stops early. `none`: never; `certain`: the leader cannot be overtaken; `beta`: the "
        "leader is probably the majority answer of the model; `predictive`: the leader will probably win the vote of "
        "n; `windows`: `window` consecutive samples agree; `consensus`: the leader has the share `confidence` of all "
        "weight. With `models` the default is `beta`.",
    )
    confidence: float = Field(
        default=0.95,
        gt=0.5,
        lt=1,
        description="Stop threshold: posterior probability for `beta` and `predictive`, weight share for `consensus`.",
    )
    window: int = Field(default=5, ge=2, le=64, description="Consecutive samples that must agree, for `windows`.")
    concurrency: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description=f"{CONCURRENCY_DESCRIPTION}; all n with `stop_rule` `none`, a window with `windows`.",
    )
    prefer: Preference = Field(default="tokens", description=PREFER_DESCRIPTION)
    weights: WeightKind = Field(
        default="none",
        description="Weight of a vote. `none`: 1; `confidence`: token confidence while decoding (DeepConf); `p_true`: "
        "the model's stated confidence, one extra token per sample; `verifier`: the verifier's score.",
    )
    softmax_temperature: float = Field(
        default=0.5,
        ge=0.01,
        le=100,
        description="Softmax temperature for `p_true` weights; higher makes weights more uniform.",
    )
    floor: Literal["none", "low", "high"] = Field(
        default="none",
        description="Stops a sample while it is decoded when its confidence falls below a threshold set by the warm-up "
        "samples (DeepConf). `low` keeps the most confident 10% of the warm-up above it, `high` 90%.",
    )
    warmup: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Samples decoded in full before a confidence threshold or a consensus applies. null: 16, and at "
        "most half of n.",
    )

    @model_validator(mode="before")
    @classmethod
    def _choose_rule(cls, values: Any) -> Any:  # noqa: ANN401 not validated yet
        """Several models vote by `beta` by default: `predictive` takes all outstanding votes for one model's."""
        is_joint = isinstance(values, dict) and values.get("models") and "stop_rule" not in values
        return values | {"stop_rule": "beta"} if is_joint else values

    @model_validator(mode="after")
    def _check_combination(self) -> "VotingOptions":
        if self.stop_rule == "certain" and self.weights == "confidence":
            raise ValueError(
                "stop_rule certain does not work with weights confidence, which are unbounded: choose other weights"
            )
        if self.weights != "verifier" and (self.verifier, self.aggregation) != (None, None):
            raise ValueError("verifier and aggregation apply only with weights verifier")
        if self.weights != "verifier" and any(is_set for _, is_set in self.verifier_settings.values()):
            names = ", ".join(self.verifier_settings)
            raise ValueError(f"{names} apply only with weights verifier")
        if self.models and (self.weights in ("confidence", "p_true") or self.floor != "none"):
            raise ValueError("models cannot be combined with weights or a floor that compare the confidence of samples")
        if self.warmup is not None and self.floor == "none" and self.stop_rule != "consensus":
            raise ValueError("warmup applies only with floor low or high, or with stop_rule consensus")
        return self

    @property
    def verifiers(self) -> tuple[str, ...]:
        return (self.verifier or "judge",) if self.weights == "verifier" else ()

    @property
    def warmup_samples(self) -> int:
        """The number of warm-up samples."""
        return min(self.warmup or min(DEFAULT_WARMUP_SAMPLES, max(1, self.n // 2)), self.n)

    @property
    def wave_sizes(self) -> tuple[int, ...]:
        """The number of samples in each wave. With a confidence threshold the warm-up is a wave of its own."""
        return (self.n,) if self.floor == "none" else (self.warmup_samples, self.n - self.warmup_samples)

    def plan_waves(self, prompt: Prompt) -> list[list[Prompt]]:
        """Return the prompt of each sample, wave after wave; models that draw in order are a wave each."""
        return self.assign(prompt) if self.floor == "none" else [[prompt] * n for n in self.wave_sizes if n]

    @property
    def warmup_share(self) -> float | None:
        """The share of the warm-up that stays above the confidence threshold; None without a threshold."""
        return WARMUP_SHARE.get(self.floor)

    @property
    def launch(self) -> LaunchPolicy:
        """When samples start. A window is drawn at once: none of its votes counts without the others."""
        firsts = {"windows": self.window, "consensus": self.warmup_samples}
        first = firsts.get(self.stop_rule) or votes_to_settle(self.stop_rule, [], self.n, self.confidence)
        concurrency = self.n if self.stop_rule == "none" else None
        speculates = self.stop_rule != "windows"
        return LaunchPolicy(self.n, first, self.concurrency or concurrency, self.prefer, speculates)

    @property
    def in_flight(self) -> int:
        """The most samples in flight; n where all votes are weighed at once at the end."""
        return self.launch.limit if self.weights in ("none", "confidence") else self.n

    @property
    def candidates(self) -> int:
        return self.n

    @property
    def logprobs(self) -> int | None:
        return TOP_ALTERNATIVES if self.weights == "confidence" or self.floor != "none" else None

    @property
    def needs(self) -> frozenset[Ability]:
        required = REQUIRED_ABILITIES.get(self.weights, frozenset())
        return required if self.floor == "none" else required | {"logprobs"}

    @property
    def compares(self) -> bool:
        """True where no vote is weighed before all votes are in."""
        return self.stop_rule in ("none", "windows")

    def cost(self, max_tokens: int) -> int:
        """Every sample at full length, with one token more for `p_true`, and the verifier's tokens."""
        verdicts = self.verdict_tokens(self.n) if self.weights == "verifier" else 0
        return self.n * (max_tokens + (self.weights == "p_true")) + verdicts

    @property
    def stop_criteria(self) -> StopCriteria:
        """The stop criteria. Under load a lower confidence is enough, unless the client set `confidence`."""
        return StopCriteria(
            self.stop_rule,
            self.n,
            self.confidence,
            self.window,
            self.warmup_samples,
            "confidence" not in self.model_fields_set,
        )
