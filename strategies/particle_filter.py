"""Particle filtering over reasoning steps. Puri et al., 2025, arXiv:2502.01618.

The population follows the verifier's odds rather than its maximum, so that one wrong verdict ends no line of thought.
Weights are derived anew from the whole prefix, never accumulated; finished particles are drawn as all others.

Deviations: systematic resampling, whose variance is lower than the paper's multinomial one; it waits until the
effective sample size falls below `ess_threshold` of n, or a particle was lost; the answer is a vote by score, where the
paper takes the best particle (`weighted` false).
"""

import math
import random
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from strategies.paths import Path, Stepwise, best, elected
from strategies.run import Run
from strategies.types import Outcome, Prompt

SURE = 1e-7
"""How near to 0 and 1 a score counts."""


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


def odds(scores: Sequence[float], temperature: float) -> list[float]:
    """The softmax of the scores' logits."""
    clipped = [min(max(score, SURE), 1 - SURE) for score in scores]
    logits = [math.log(score / (1 - score)) / temperature for score in clipped]
    masses = [math.exp(logit - max(logits)) for logit in logits]
    return [mass / math.fsum(masses) for mass in masses]


def effective(weights: Sequence[float]) -> float:
    """The effective sample size: n where all weigh the same, 1 where one has all the weight."""
    return 1 / math.fsum(weight * weight for weight in weights)


def systematic(weights: Sequence[float], n: int, offset: float) -> list[int]:
    """n draws at even distances, from one offset in [0, 1): i is drawn n * weight times, rounded down or up."""
    ends = [math.fsum(weights[: at + 1]) * n for at in range(len(weights))]
    drawn, at = list[int](), 0
    for draw in range(n):
        while at < len(ends) - 1 and ends[at] <= draw + offset:
            at += 1
        drawn.append(at)
    return drawn
