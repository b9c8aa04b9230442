"""Self-consistency: sample reasoning paths, marginalise them out, keep the most common answer.

Wang et al., 2022, arXiv:2203.11171. An answer that cannot be read abstains. Stopping early follows the vote: once the
leader cannot be overtaken (changes no result), or once it is probably the majority (Aggarwal et al., arXiv:2305.11860).
Deviation from the latter: samples do not start one by one but a few at a time, and what still decodes is aborted.
"""

from typing import ClassVar, Literal

from pydantic import Field

from strategies.options import Options
from strategies.run import Run
from strategies.types import Outcome, Prompt
from strategies.votes import StopRule, best, settled, tally


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

    def cost(self, max_tokens: int) -> int:
        return self.n * max_tokens

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        outcomes: list[Outcome] = []
        surplus = self.stop_rule != "none"
        async with run.race(prompt, self.n, concurrency=self.lanes, surplus=surplus) as arrivals:
            async for completion in arrivals:
                outcomes.append(Outcome(completion, await run.read(completion)))
                run.propose(winner(outcomes))
                if settled(self.stop_rule, tally(outcomes), self.n - len(outcomes), self.confidence):
                    break
        return winner(outcomes)


def winner(outcomes: list[Outcome]) -> Outcome:
    """The leading answer's best member; the best single sample where all abstained."""
    blocs = tally(outcomes)
    if not blocs:
        return best(outcomes)
    return blocs[0].representative.agreed(len(blocs[0].members) / len(outcomes))
