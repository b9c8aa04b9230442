"""Self-consistency: sample reasoning paths, marginalise them out, keep the most common answer.

Wang et al., 2022, arXiv:2203.11171. An answer that cannot be read abstains. Stopping early follows the vote: once the
leader cannot be overtaken (changes no result), once it is probably the majority (Aggarwal et al., arXiv:2305.11860), or
once a window of samples agrees (Li et al., arXiv:2401.10480). Deviations: samples do not start one by one but a few at
a time, what still decodes is aborted, and under load a lower posterior is enough. With weights the leader by count must
also lead by weight; certain then adds for every sample still out the most that a vote can weigh, which is why it cannot
be had with confidence.
"""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from strategies.ballot import Ballot, Bloc, Weight
from strategies.certainty import ALTERNATIVES
from strategies.ports import Ability
from strategies.run import Run
from strategies.trace import Shed
from strategies.types import Outcome, Prompt
from strategies.verified import Verified
from strategies.votes import UNDER_LOAD, StopRule, settled
from strategies.weighing import Scale, Weights, leads, unanimous

NEEDS: dict[Weights, frozenset[Ability]] = {
    "confidence": frozenset({"logprobs"}),
    "p_true": frozenset({"continue", "logprobs"}),
}


class SelfConsistency(Verified):
    """Sample n answers and take the one most of them agree on; stop as soon as the vote is decided."""

    paper: ClassVar[str] = "arXiv:2203.11171"

    name: Literal["self_consistency"] = "self_consistency"
    n: int = Field(default=8, ge=1, le=256, description="Samples at most; exactly n with stop_rule none")
    stop_rule: StopRule = Field(
        default="beta",
        description="none; certain: cannot be overtaken; beta: probably won; windows: as many in a row agree",
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="The posterior at which beta stops")
    window: int = Field(default=5, ge=2, le=64, description="The samples in a row that must agree for windows")
    concurrency: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Samples in flight at once; null: a quarter of n and at least 4, or all of n with stop_rule none",
    )
    weights: Weights = Field(
        default="none",
        description="What a vote weighs. none: 1; confidence: the model's, while it wrote; p_true: how sure it says it "
        "is, one more token a sample; verifier: that score",
    )
    softmax_temperature: float = Field(
        default=0.5, ge=0.01, le=100, description="Of p_true: lower, and the surest decide; higher, and all weigh alike"
    )

    @model_validator(mode="after")
    def _fits(self) -> "SelfConsistency":
        if self.stop_rule == "certain" and self.weights == "confidence":
            raise ValueError("stop_rule certain cannot be known with weights confidence: a vote has no greatest weight")
        if self.weights != "verifier" and (self.verifier, self.aggregation) != (None, "last"):
            raise ValueError("verifier and aggregation need weights verifier")
        return self

    @property
    def verifiers(self) -> tuple[str, ...]:
        return (self.verifier or "judge",) if self.weights == "verifier" else ()

    @property
    def lanes(self) -> int:
        """Few enough that a decided vote finds most samples not yet begun; beta needs 4 that agree."""
        if self.stop_rule == "windows":
            return self.concurrency or self.window
        return self.concurrency or (self.n if self.stop_rule == "none" else max(4, self.n // 4))

    @property
    def in_flight(self) -> int:
        """Samples; but where all are weighed at once, all of them."""
        return min(self.lanes if self.weights in ("none", "confidence") else self.n, self.n)

    @property
    def candidates(self) -> int:
        return self.n

    @property
    def logprobs(self) -> int | None:
        return ALTERNATIVES if self.weights == "confidence" else None

    @property
    def needs(self) -> frozenset[Ability]:
        return NEEDS.get(self.weights, frozenset())

    def cost(self, max_tokens: int) -> int:
        return self.n * (max_tokens + (self.weights == "p_true")) + (self.weights == "verifier") * self.verdicts(self.n)

    @property
    def compares(self) -> bool:
        """Where nothing is weighed before all votes are in."""
        return self.stop_rule in ("none", "windows")

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        ballot, surplus = Ballot(), self.stop_rule != "none"
        scale = Scale(run, self.weights, self.verifier or "judge", self.aggregation, self.softmax_temperature)
        elected: str | None = None
        async with run.race(prompt, self.n, concurrency=self.lanes, surplus=surplus) as arrivals:
            async for completion in arrivals:
                ballot.cast(Outcome(completion, await run.read(completion)))
                elected = elected or self.elected(ballot)
                run.propose(ballot.winner(sole(elected)) if elected else ballot.winner())
                if ballot.size >= run.answers and (elected or await self.decided(ballot, scale)):
                    break
        if elected:
            return ballot.ranking(sole(elected))
        ballot = await scale.weighed(ballot)
        return ballot.ranking(scale.weight(ballot))

    def elected(self, ballot: Ballot) -> str | None:
        """What the window that has just filled up agrees on: its answer stands, whatever the windows before it say."""
        full = self.stop_rule == "windows" and ballot.size % self.window == 0
        return unanimous(ballot.votes[-self.window :]) if full else None

    async def decided(self, ballot: Ballot, scale: Scale) -> bool:
        """Whether the vote may stop. Weights are only asked for where the counts allow it."""
        blocs, left = ballot.ranked(), self.n - ballot.size
        if self.weights == "none" or self.stop_rule != "certain":
            return self.enough(blocs, left, scale.run) and (
                self.weights == "none" or await self.agreed(ballot, blocs[0], scale)
            )
        if not blocs or len(blocs[0].members) <= left:
            return False
        weighed = await scale.weighed(ballot)
        return leads(weighed, scale.weight(weighed), left)

    async def agreed(self, ballot: Ballot, leader: Bloc, scale: Scale) -> bool:
        """Whether the leader by count leads by weight, too."""
        weighed = await scale.weighed(ballot)
        first = weighed.ranked(scale.weight(weighed))[0]
        return first.first == leader.first

    def enough(self, blocs: list[Bloc], left: int, run: Run) -> bool:
        """By the counts; while others wait, and unless the client set the confidence, a little sooner."""
        if settled(self.stop_rule, blocs, left, self.confidence):
            return True
        if "confidence" in self.model_fields_set or not run.pressed():
            return False
        enough = settled(self.stop_rule, blocs, left, UNDER_LOAD)
        if enough:
            run.trace.emit(Shed(UNDER_LOAD))
        return enough


def sole(answer: str) -> Weight:
    """The scale on which one answer outweighs all others, which weigh 1 a vote."""
    return lambda vote: float("inf") if vote.answer and vote.answer.key == answer else 1.0
