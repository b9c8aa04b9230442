"""Synthesis: new answers are written from several old ones, round after round.

rsa: each of n new candidates is made from k of the old, drawn without replacement, `loops` times, and the answer most
give is served (recursive self-aggregation, Venkatraman et al., 2025, arXiv:2509.26626). pacore: rounds of given widths,
each reading all of the one before, shuffled, then one last answer (PaCoRe, arXiv:2601.05593). moa: layers of n, then
one answer (mixture of agents on one model, Wang et al., arXiv:2406.04692). Deviations: it ends once nearly all agree or
rsa's majority is the same for three populations, and rsa serves a member of the largest class rather than a random one.
"""

import random
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cogitate.strategies.core.options import Options
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Outcome, Prompt
from cogitate.strategies.search.population import (
    CONSENSUS_SHARE,
    complete_candidates,
    identity_key,
    largest_share,
    sample_candidates,
    synthesise_groups,
    write_final_answer,
)
from cogitate.strategies.voting.ballot import Ballot

UNCHANGED = 2
"""Loops in a row that leave the majority what it was end rsa."""


class Synthesis(Options):
    """Write new answers from several old ones, round after round; also for free-form answers."""

    temperature: ClassVar[float] = 1.0
    paper: ClassVar[str] = "arXiv:2509.26626"
    version: ClassVar[int] = 2

    name: Literal["synthesis"] = "synthesis"
    method: Literal["rsa", "pacore", "moa"] = Field(default="rsa", description="How the next round reads the last one")
    n: int = Field(default=4, ge=1, le=64, description="Candidates in each round; pacore has its own widths")
    k: int = Field(default=2, ge=1, le=16, description="Candidates that each new one of rsa is made from")
    loops: int = Field(default=2, ge=1, le=16, description="rsa's rounds after the first, moa's layers")
    rounds: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(
        default=(4,), min_length=1, max_length=4, strict=False, description="pacore's widths"
    )

    @property
    def widths(self) -> tuple[int, ...]:
        """How many candidates each round makes."""
        if self.method == "pacore":
            return self.rounds
        return (self.n,) * (self.loops + (self.method == "rsa"))

    @property
    def candidates(self) -> int:
        """At least: it may end with any round."""
        return min(self.widths)

    @property
    def in_flight(self) -> int:
        return max(self.widths)

    def cost(self, max_tokens: int) -> int:
        return (sum(self.widths) + (self.method != "rsa")) * max_tokens

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        first, *later = self.widths
        population = await sample_candidates(prompt, first, run)
        chance = random.Random(run.request.sampling.seed)  # noqa: S311 which candidates are drawn is no secret
        leaders = [identity_key(Ballot.of(population).winner())]
        for width in later:
            shown = complete_candidates(population)
            if not shown or largest_share(population) >= CONSENSUS_SHARE or settled(leaders):
                return Ballot.of(population).ranking()
            drawn = min(self.k, len(shown)) if self.method == "rsa" else len(shown)
            groups = [chance.sample(shown, drawn) for _ in range(width)]
            population = await synthesise_groups(prompt, groups, run) or population
            leader = Ballot.of(population).winner()
            run.propose(leader)
            leaders.append(identity_key(leader))
        shown = complete_candidates(population)
        if not shown or self.method == "rsa" or largest_share(population) >= CONSENSUS_SHARE:
            return Ballot.of(population).ranking()
        return await write_final_answer(prompt, chance.sample(shown, len(shown)), population, run)


def settled(leaders: list[str]) -> bool:
    return len(leaders) > UNCHANGED and len(set(leaders[-UNCHANGED - 1 :])) == 1
