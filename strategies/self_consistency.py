"""Self-consistency: sample reasoning paths, marginalise them out, keep the most common answer.

Wang et al., 2022, arXiv:2203.11171. An answer that cannot be read abstains. Stopping early follows the vote: once the
leader cannot be overtaken (changes no result), or once it is probably the majority (Aggarwal et al., arXiv:2305.11860).
Deviations from the latter: samples do not start one by one but a few at a time, what still decodes is aborted, and
under load a lower posterior is enough.
"""

from typing import ClassVar, Literal

from pydantic import Field

from strategies.ballot import Ballot
from strategies.options import Options
from strategies.run import Run
from strategies.trace import Shed
from strategies.types import Outcome, Prompt
from strategies.votes import UNDER_LOAD, StopRule, settled


class SelfConsistency(Options):
    """Sample n answers and take the one most of them agree on; stop as soon as the vote is decided."""

    paper: ClassVar[str] = "arXiv:2203.11171"

    name: Literal["self_consistency"] = "self_consistency"
    n: int = Field(default=8, ge=1, le=256, description="Samples at most; exactly n with stop_rule none")
    stop_rule: StopRule = Field(default="beta", description="none; certain: cannot be overtaken; beta: probably won")
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="The posterior at which beta stops")
    concurrency: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Samples in flight at once; null: a quarter of n and at least 4, or all of n with stop_rule none",
    )

    @property
    def lanes(self) -> int:
        """Few enough that a decided vote finds most samples not yet begun; beta needs 4 that agree."""
        return self.concurrency or (self.n if self.stop_rule == "none" else max(4, self.n // 4))

    @property
    def in_flight(self) -> int:
        return min(self.lanes, self.n)

    @property
    def candidates(self) -> int:
        return self.n

    def cost(self, max_tokens: int) -> int:
        return self.n * max_tokens

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        ballot, surplus = Ballot(), self.stop_rule != "none"
        async with run.race(prompt, self.n, concurrency=self.lanes, surplus=surplus) as arrivals:
            async for completion in arrivals:
                ballot.cast(Outcome(completion, await run.read(completion)))
                run.propose(ballot.winner())
                if ballot.size >= run.answers and self.decided(ballot, run):
                    break
        return ballot.ranking()

    def decided(self, ballot: Ballot, run: Run) -> bool:
        """Whether the vote may stop; while others wait, and unless the client set the confidence, a little sooner."""
        blocs, left = ballot.ranked(), self.n - ballot.size
        if settled(self.stop_rule, blocs, left, self.confidence):
            return True
        if "confidence" in self.model_fields_set or not run.pressed():
            return False
        enough = settled(self.stop_rule, blocs, left, UNDER_LOAD)
        if enough:
            run.trace.emit(Shed(UNDER_LOAD))
        return enough
