"""Beam search over reasoning steps, guided by a step verifier. Snell et al., 2024, arXiv:2408.03314, section 5.2.

`lookahead` scores a step by where it leads: it is continued greedily, the rollout is scored, and only the step is
retained.

Deviations: a beam that ends early frees its slot but competes with its score at the end, so that there are never more
than n leaves; identical beams are expanded once; a beam or an answer with score 0 is lost, and its leaves go to the
rest; where all beams are lost that grew from beams that were not, as many are completed as answers are missing; an
answer with score 1 ends the search once there are as many answers as requested; the whole prefix is scored again at
each step, as process reward models were trained to.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Outcome, Prompt
from cogitate.strategies.search.steps import BranchingOptions, Path, elect_answer, select_best


class BeamSearch(BranchingOptions):
    """Extend partial solutions step by step, retaining those with the highest verifier scores."""

    paper: ClassVar[str] = "arXiv:2408.03314"
    when: ClassVar[str] = "long solutions, with a step verifier"
    when_not: ClassVar[str] = (
        "easy questions, where all beams look alike; a verifier that was not trained on unfinished solutions; a model "
        "that does not separate its steps by blank lines"
    )
    cost_note: ClassVar[str] = "about n answers, one verdict per step; each step of lookahead as much again"
    version: ClassVar[int] = 8

    name: Literal["beam_search"] = "beam_search"
    lookahead: int = Field(
        default=0,
        ge=0,
        le=4,
        description="Steps of rollout that a step is scored with (k in the paper); 0 where the verifier is exact on "
        "unfinished solutions.",
    )

    def cost(self, max_tokens: int) -> int:
        """Each step is decoded once, and rolled out by up to `lookahead` more."""
        return super().cost(max_tokens) + self.n * 2 * max_tokens * self.lookahead

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        frontier, done, leaves, lost = [Path(prompt)], list[Path](), self.n, False
        for depth in range(self.max_steps):
            slots = [frontier[leaf % len(frontier)] for leaf in range(leaves)]
            last = lost or depth == self.max_steps - 1
            children = await self.expand(slots, run, last=last, lookahead=self.lookahead)
            beams = [beam for beam in children if beam]
            done = sorted((*done, *(beam for beam in beams if beam.done)), key=beam_score, reverse=True)[: self.n]
            unfinished = {beam.text: beam for beam in beams if not beam.done}
            alive = sorted(unfinished.values(), key=beam_score, reverse=True)
            run.propose(await select_best(done or alive or frontier, run))
            lost = depth > 0 and bool(promising(frontier)) and not promising(beams)
            missing = max(0, run.request.answers - len(done))
            leaves = missing if lost else self.n - len(promising(done))
            if not alive or not leaves or (any(map(is_certain, done)) and not missing):
                break
            frontier = (promising(alive) or alive)[: max(1, leaves // self.width)]
        return await elect_answer(done or frontier, run, weighted=False)


def promising(beams: Sequence[Path]) -> list[Path]:
    """Return the beams whose score is not 0."""
    return [beam for beam in beams if beam.score_or_prior > 0]


def is_certain(beam: Path) -> bool:
    """Return whether no answer can be better: a solution with score 1 that came to its end."""
    return beam.score == 1 and not beam.is_cut_off


def beam_score(beam: Path) -> float:
    return beam.score_or_prior
