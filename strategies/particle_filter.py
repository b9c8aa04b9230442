"""Particle filtering and particle Gibbs over reasoning steps. Puri et al., 2025, arXiv:2502.01618.

The population follows the verifier's odds rather than its maximum, so that one wrong verdict ends no line of thought.
Weights are derived anew from the whole prefix, never accumulated; finished particles are drawn as all others. With more
than one of `iterations` it is particle Gibbs: one particle of each is drawn by its odds and kept in the next, where the
others may follow it from any step on but never displace it.

Deviations: systematic resampling, whose variance is lower than the paper's multinomial one, but not beside a particle
that is kept, where it would not be unbiased; it waits until the effective sample size falls below `ess_threshold` of n,
or a particle was lost; the answer is a vote by score over the particles of all iterations, where the paper takes the
best one (`weighted` false).
"""

import random
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Outcome, Prompt
from cogitate.strategies.search.resampling import draw_multinomial, draw_systematic, effective_sample_size
from cogitate.strategies.search.steps import Path, StepwiseOptions, elect_answer, select_best
from cogitate.strategies.search.trajectories import (
    Trajectory,
    extend_trajectories,
    last_paths,
    odds_weights,
    unfinished_paths,
    with_retained,
)


class ParticleFilter(StepwiseOptions):
    """Grow n solutions step by step, drawn anew by the verifier's odds, and vote over them by score."""

    paper: ClassVar[str] = "arXiv:2502.01618"

    name: Literal["particle_filter"] = "particle_filter"
    n: int = Field(default=8, ge=1, le=256, description="Particles")
    iterations: int = Field(
        default=1, ge=1, le=16, description="More than one: particle Gibbs, n particles in each, of which one is kept"
    )
    softmax_temperature: float = Field(default=1.0, ge=0.01, le=100, description="Higher: the odds matter less")
    ess_threshold: float = Field(
        default=0.5, ge=0, le=1, description="Resample where the effective sample size is below this share of n"
    )
    weighted: bool = Field(default=True, description="Choose the answer with the highest sum of scores")

    @model_validator(mode="after")
    def _grows(self) -> "ParticleFilter":
        if self.iterations > 1 and self.n < 2:
            raise ValueError("iterations need n to be 2 or more: one particle of each is kept")
        return self

    def cost(self, max_tokens: int) -> int:
        return super().cost(max_tokens) * self.iterations

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        chance = random.Random(run.request.sampling.seed)  # noqa: S311 which particles are drawn is no secret
        found, kept = list[Path](), Trajectory()
        for _ in range(self.iterations):
            lines = with_retained(await self.swept(prompt, run, chance, kept, found), kept)
            found += last_paths(lines)
            kept = lines[draw_multinomial(odds_weights(lines, self.softmax_temperature), 1, chance)[0]]
        return await elect_answer(found, run, weighted=self.weighted)

    async def swept(
        self, prompt: Prompt, run: Run, chance: random.Random, kept: Trajectory, found: Sequence[Path]
    ) -> list[Trajectory]:
        """n particles from the root to their ends, less the one that is kept."""
        lines: list[Trajectory] = [(Path(prompt),)] * (self.n - bool(kept))
        for depth in range(self.max_steps):
            last = depth == self.max_steps - 1
            moved = extend_trajectories(lines, await self.expand(unfinished_paths(lines), run, last=last))
            run.propose(await select_best([*found, *last_paths(moved or lines)], run))
            if not moved:
                break
            lines = self.resampled(moved, kept[: depth + 2], chance)
            if not unfinished_paths(lines):
                break
        return lines

    def resampled(self, lines: list[Trajectory], kept: Trajectory, chance: random.Random) -> list[Trajectory]:
        """As many as there were, drawn with replacement from them and the kept one, as far as that was at this step.

        As they are where enough of them count, or none goes on.
        """
        pool, size = with_retained(lines, kept), self.n - bool(kept)
        weights = odds_weights(pool, self.softmax_temperature)
        enough = len(lines) == size and effective_sample_size(weights) >= self.ess_threshold * self.n
        if enough or not unfinished_paths(lines):
            return lines
        drawn = draw_multinomial(weights, size, chance) if kept else draw_systematic(weights, size, chance.random())
        return [pool[at] for at in drawn]
