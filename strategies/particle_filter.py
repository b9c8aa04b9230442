"""Particle filtering and particle Gibbs over reasoning steps. Puri et al., 2025, arXiv:2502.01618.

The population follows the verifier's odds rather than its maximum, so that one wrong verdict does not end a line of
thought. Weights are computed anew from the whole prefix, never accumulated; finished particles are drawn like the
rest. With `iterations` above 1 it is particle Gibbs: one particle of each iteration is drawn by its odds and retained
in the next, where other particles may branch off it at any step but never displace it.

Deviations: systematic resampling, whose variance is lower than that of the paper's multinomial resampling, except
with a retained particle, where it would be biased; resampling waits until the effective sample size falls below
`ess_threshold` of n, or a particle was lost; the answer is a vote by score over the particles of all iterations, where
the paper takes the best one (`weighted` false).
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Outcome
from cogitate.strategies.search.resampling import draw_multinomial, draw_systematic, effective_sample_size
from cogitate.strategies.search.step_ahead import step_ahead
from cogitate.strategies.search.steps import Path, StepwiseOptions, elect_answer, select_best
from cogitate.strategies.search.trajectories import (
    Trajectory,
    extend_trajectories,
    last_paths,
    odds_weights,
    open_paths,
    with_reference,
)


class ParticleFilter(StepwiseOptions):
    """Grow n solutions step by step, resampled by the verifier's odds, and vote over them by score."""

    paper: ClassVar[str] = "arXiv:2502.01618"
    when: ClassVar[str] = "long solutions, with a verifier that is sometimes wrong"
    when_not: ClassVar[str] = (
        "few particles, which soon are copies of one; a verifier that is always certain, right or wrong"
    )
    cost_note: ClassVar[str] = "about n answers in each iteration, one verdict per step"

    name: Literal["particle_filter"] = "particle_filter"
    n: int = Field(default=8, ge=1, le=256, description="Number of particles.")
    iterations: int = Field(
        default=1,
        ge=1,
        le=16,
        description="Above 1: particle Gibbs, with n particles in each iteration, one of them retained.",
    )
    softmax_temperature: float = Field(
        default=1.0, ge=0.01, le=100, description="Temperature on the verifier's odds; higher makes them matter less."
    )
    ess_threshold: float = Field(
        default=0.5, ge=0, le=1, description="Resample where the effective sample size is below this share of n."
    )
    weighted: bool = Field(default=True, description="Choose the answer with the highest sum of scores.")

    @model_validator(mode="after")
    def _check_particles(self) -> "ParticleFilter":
        if self.iterations > 1 and self.n < 2:
            raise ValueError("iterations above 1 need n of at least 2: one particle of each iteration is retained")
        return self

    @property
    def single(self) -> Mapping[str, object]:
        return {"n": 1, "iterations": 1}

    def cost(self, max_tokens: int) -> int:
        return super().cost(max_tokens) * self.iterations

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        rng = random.Random(run.request.sampling.seed)  # noqa: S311 which particles are drawn is no secret
        finished, retained = list[Path](), Trajectory()
        async with self.speculation(run):
            for sweep in range(self.iterations):
                roots: list[Trajectory] = [(Path(prompt),)] * (self.n - bool(retained))
                grown = await self.sweep(Particles(self, roots, retained, rng), run, finished, sweep)
                particles = with_reference(grown, retained)
                finished += last_paths(particles)
                weights = odds_weights(particles, self.softmax_temperature)
                retained = particles[draw_multinomial(weights, 1, rng)[0]]
        return await elect_answer(finished, run, weighted=self.weighted)

    async def sweep(self, particles: "Particles", run: Run, finished: Sequence[Path], sweep: int) -> list[Trajectory]:
        """Grow particles from the root to their ends."""
        while True:
            ahead = step_ahead(self, run, particles, sweep=sweep)
            steps = await self.expand(particles.slots, run, last=particles.last, sweep=sweep, on_end=ahead)
            grown = extend_trajectories(particles.trajectories, steps)
            run.propose(await select_best([*finished, *last_paths(grown or particles.trajectories)], run))
            if not grown:
                return particles.trajectories
            after = particles.resample(grown)
            if particles.last or not after.slots:
                return after.trajectories
            particles = after

    def resample(self, particles: list[Trajectory], retained: Trajectory, rng: random.Random) -> list[Trajectory]:
        """Draw as many particles with replacement, from these and the retained one as it was at this step.

        Returns them unchanged where the effective sample size is large enough, or all are finished.
        """
        pool, size = with_reference(particles, retained), self.n - bool(retained)
        weights = odds_weights(pool, self.softmax_temperature)
        enough = len(particles) == size and effective_sample_size(weights) >= self.ess_threshold * self.n
        if enough or not open_paths(particles):
            return particles
        drawn = draw_multinomial(weights, size, rng) if retained else draw_systematic(weights, size, rng.random())
        return [pool[at] for at in drawn]


@dataclass(frozen=True, slots=True)
class Particles:
    """The particles before a step, without the retained one."""

    search: ParticleFilter
    trajectories: list[Trajectory]
    retained: Trajectory
    rng: random.Random
    depth: int = 0

    @property
    def slots(self) -> list[Path]:
        """The particles that are not done."""
        return open_paths(self.trajectories)

    @property
    def last(self) -> bool:
        """Whether the step is the last."""
        return self.depth == self.search.max_steps - 1

    def resample(self, grown: list[Trajectory]) -> "Particles":
        """Draw the particles of the next step."""
        drawn = self.search.resample(grown, self.retained[: self.depth + 2], self.rng)
        return replace(self, trajectories=drawn, depth=self.depth + 1)

    def after(self, children: Sequence[Path | None]) -> "Particles | None":
        """Draw as after the step, as if the particles that have not ended it stayed where they are."""
        draws = random.Random()  # noqa: S311 repeats the draws to come
        draws.setstate(self.rng.getstate())
        steps = [child or path for path, child in zip(self.slots, children, strict=True)]
        expected = extend_trajectories(self.trajectories, steps)
        return None if self.last else replace(self, rng=draws).resample(expected)
