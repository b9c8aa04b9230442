"""Particle filtering over reasoning steps. Puri et al., 2025, arXiv:2502.01618.

The population follows the verifier's odds rather than its maximum, so that one wrong verdict ends no line of thought.
Weights are derived anew from the whole prefix, never accumulated; finished particles are drawn as all others.

Deviations: systematic resampling, whose variance is lower than the paper's multinomial one; it waits until the
effective sample size falls below `ess_threshold` of n, or a particle was lost; the answer is a vote by score, where the
paper takes the best particle (`weighted` false).
"""

import random
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from strategies.paths import Path, Stepwise, best, elected
from strategies.resampling import effective, odds, systematic
from strategies.run import Run
from strategies.types import Outcome, Prompt


class ParticleFilter(Stepwise):
    """Grow n solutions step by step, drawn anew by the verifier's odds, and vote over them by score."""

    paper: ClassVar[str] = "arXiv:2502.01618"

    name: Literal["particle_filter"] = "particle_filter"
    n: int = Field(default=8, ge=1, le=256, description="Particles")
    softmax_temperature: float = Field(default=1.0, ge=0.01, le=100, description="Higher: the odds matter less")
    ess_threshold: float = Field(
        default=0.5, ge=0, le=1, description="Resample where the effective sample size is below this share of n"
    )
    weighted: bool = Field(default=True, description="Choose the answer with the highest sum of scores")

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        chance = random.Random(run.sampling.seed)  # noqa: S311 which particles are drawn is no secret
        particles = [Path(prompt)] * self.n
        for depth in range(self.max_steps):
            moved = await self.moved(particles, run, last=depth == self.max_steps - 1)
            run.propose(await best(moved or particles, run))
            if not moved:
                break
            particles = self.resampled(moved, chance)
            if finished(particles):
                break
        return await elected(particles, run, weighted=self.weighted)

    async def moved(self, particles: list[Path], run: Run, *, last: bool) -> list[Path]:
        """All particles, those that go on by one step; without the lost."""
        steps = iter(await self.expanded([p for p in particles if not p.done], run, last=last))
        return [path for particle in particles if (path := particle if particle.done else next(steps))]

    def resampled(self, particles: list[Path], chance: random.Random) -> list[Path]:
        """n of them, drawn with replacement; as they are where enough of them count, or none goes on."""
        weights = odds([particle.score for particle in particles], self.softmax_temperature)
        enough = len(particles) == self.n and effective(weights) >= self.ess_threshold * self.n
        if enough or finished(particles):
            return particles
        return [particles[at] for at in systematic(weights, self.n, chance.random())]


def finished(particles: Sequence[Path]) -> bool:
    return all(particle.done for particle in particles)
