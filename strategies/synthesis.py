"""Synthesis: new answers are written from several old ones, round after round.

rsa: each of n new candidates is made from k of the old, drawn without replacement, `loops` times, and the most frequent
answer is returned (recursive self-aggregation, Venkatraman et al., 2025, arXiv:2509.26626). pacore: rounds of given
widths, each reading all of the previous one, shuffled, then one last answer (PaCoRe, arXiv:2601.05593). moa: layers of
n, then one answer (mixture of agents on one model, Wang et al., arXiv:2406.04692).

Deviations: it ends once nearly all agree, or rsa's majority is unchanged for three populations; and rsa returns a
member of the largest class rather than a random one.
"""

import random
from collections.abc import Mapping
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

MAX_UNCHANGED_LOOPS = 2
"""Consecutive loops with the same majority after which rsa ends."""


class Synthesis(Options):
    """Write new answers from several old ones, round after round; also for free-form answers."""

    temperature: ClassVar[float] = 1.0
    paper: ClassVar[str] = "arXiv:2509.26626"
    when: ClassVar[str] = "hard questions on a strong model, and prose"
    when_not: ClassVar[str] = "a weak model, which copies what it reads; a context too short for k answers and one more"
    cost_note: ClassVar[str] = "n answers a round, each reading k others; fewer once they agree"
    version: ClassVar[int] = 2

    name: Literal["synthesis"] = "synthesis"
    method: Literal["rsa", "pacore", "moa"] = Field(
        default="rsa", description="How a round reads the previous one: see the papers of `strategies/synthesis.py`."
    )
    n: int = Field(default=4, ge=1, le=64, description="Candidates in each round; `pacore` uses `rounds` instead.")
    k: int = Field(default=2, ge=1, le=16, description="Candidates that each new one of `rsa` is made from.")
    loops: int = Field(default=2, ge=1, le=16, description="Rounds of `rsa` after the first; layers of `moa`.")
    rounds: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(
        default=(4,), min_length=1, max_length=4, strict=False, description="Candidates in each round of `pacore`."
    )

    @property
    def widths(self) -> tuple[int, ...]:
        """The candidates of each round."""
        if self.method == "pacore":
            return self.rounds
        return (self.n,) * (self.loops + (self.method == "rsa"))

    @property
    def candidates(self) -> int:
        """At least these: the search may end with any round."""
        return min(self.widths)

    @property
    def single(self) -> Mapping[str, object]:
        return {"n": 1, "rounds": (1,)}

    @property
    def in_flight(self) -> int:
        return max(self.widths)

    def cost(self, max_tokens: int) -> int:
        return (sum(self.widths) + (self.method != "rsa")) * max_tokens

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        first, *later = self.widths
        population = await sample_candidates(prompt, first, run)
        rng = random.Random(run.request.sampling.seed)  # noqa: S311 which candidates are drawn is no secret
        leaders = [identity_key(Ballot.of(population).winner())]
        for width in later:
            pool = complete_candidates(population)
            if not pool or largest_share(population) >= CONSENSUS_SHARE or is_stable(leaders):
                return Ballot.of(population).ranking()
            group_size = min(self.k, len(pool)) if self.method == "rsa" else len(pool)
            groups = [rng.sample(pool, group_size) for _ in range(width)]
            population = await synthesise_groups(prompt, groups, run) or population
            leader = Ballot.of(population).winner()
            run.propose(leader)
            leaders.append(identity_key(leader))
        pool = complete_candidates(population)
        if not pool or self.method == "rsa" or largest_share(population) >= CONSENSUS_SHARE:
            return Ballot.of(population).ranking()
        return await write_final_answer(prompt, rng.sample(pool, len(pool)), population, run)


def is_stable(leaders: list[str]) -> bool:
    """Return whether the majority was unchanged for MAX_UNCHANGED_LOOPS loops."""
    return len(leaders) > MAX_UNCHANGED_LOOPS and len(set(leaders[-MAX_UNCHANGED_LOOPS - 1 :])) == 1
