"""Beam search over reasoning steps, guided by a step verifier. Snell et al., 2024, arXiv:2408.03314, section 5.2.

Deviations: a beam that ends early gives up its slot but competes with its score at the end, so that there are never
more than n leaves; identical beams are expanded once; the whole prefix is scored anew at each step, as process reward
models were trained to.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from strategies.ballot import ranking
from strategies.options import Verified
from strategies.ports import Ability
from strategies.run import Run
from strategies.types import Completion, Outcome, Prompt, joined

STEP = "\n\n"


@dataclass(frozen=True, slots=True)
class Beam:
    """A partial solution; none yet at the root."""

    prompt: Prompt
    solution: Completion | None = None
    done: bool = False
    score: float = 0.0

    def extended(self, step: Completion) -> "Beam":
        """This path and one more step. It is done unless the step ended with the separator, after saying something."""
        solution = joined([self.solution, step]) if self.solution else step
        return Beam(step.path, solution, done=step.stopped_by != STEP or not step.text.strip())

    def left(self, limit: int | None) -> int | None:
        """The tokens of `limit` that this path has not used."""
        return limit if limit is None or not self.solution else max(1, limit - self.solution.completion_tokens)


class BeamSearch(Verified):
    """Extend partial solutions step by step, keeping the ones the verifier likes best."""

    temperature: ClassVar[float] = 0.8
    paper: ClassVar[str] = "arXiv:2408.03314"
    stepwise: ClassVar[bool] = True

    name: Literal["beam_search"] = "beam_search"
    n: int = Field(default=8, ge=1, le=256, description="Leaves explored in all (N in the paper)")
    width: int = Field(default=4, ge=1, le=64, description="Children of each surviving beam (M in the paper)")
    max_steps: int = Field(default=40, ge=1, le=256)

    @model_validator(mode="after")
    def _divides(self) -> "BeamSearch":
        if self.n % self.width:
            raise ValueError(f"n must be a multiple of width, and {self.n} is none of {self.width}")
        return self

    @property
    def candidates(self) -> int:
        return self.n

    @property
    def fewest(self) -> int:
        return self.width

    @property
    def needs(self) -> frozenset[Ability]:
        return frozenset({"continue"})

    def cost(self, max_tokens: int) -> int:
        """Every leaf at full length, as much again for what is pruned, and a verdict for each step."""
        return self.n * (2 * max_tokens + self.max_steps)

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        frontier, done = [Beam(prompt)], list[Beam]()
        for depth in range(self.max_steps):
            slots = [frontier[leaf % len(frontier)] for leaf in range(self.n - len(done))]
            beams = await self.expand(slots, run, last=depth == self.max_steps - 1)
            done += [beam for beam in beams if beam.done]
            run.propose(await self.outcome(done or beams, run))
            alive = sorted((beam for beam in beams if not beam.done), key=lambda beam: beam.score, reverse=True)
            frontier = alive[: max(1, (self.n - len(done)) // self.width)]
            if not frontier or len(done) >= self.n:
                break
        return await self.outcome(done, run)

    async def expand(self, slots: list[Beam], run: Run, *, last: bool) -> list[Beam]:
        """One more step for each slot, identical paths merged, scored. The last step runs to the end of the answer."""
        limits = [beam.left(run.sampling.max_tokens) for beam in slots]
        steps = await run.steps([beam.prompt for beam in slots], None if last else STEP, limits)
        beams = [beam.extended(step) for beam, step in zip(slots, steps, strict=True) if step]
        paths = {beam.solution.text: (beam, beam.solution) for beam in beams if beam.solution}
        scores = await run.score(self.verifiers[0], [solution for _, solution in paths.values()], self.aggregation)
        return [replace(beam, score=score) for (beam, _), score in zip(paths.values(), scores, strict=True)]

    async def outcome(self, beams: list[Beam], run: Run) -> Outcome:
        """The best beam, not the first; the others behind it."""
        top = ranking(Outcome(beam.solution, score=beam.score) for beam in beams if beam.solution)
        return replace(top, answer=await run.read(top.completion))
