"""Beam search over reasoning steps, guided by a step verifier. Snell et al., 2024, arXiv:2408.03314, section 5.2.

`lookahead` scores a step by where it leads: it is continued greedily, the rollout is scored, and only the step is
retained; no step starts early then, since rollouts need its slots.

Deviations: a beam that ends early frees its slot but competes with its score at the end, so that there are never more
than n leaves; identical beams are expanded once; a beam or an answer with score 0 is lost, and its leaves go to the
rest; where all beams are lost that grew from beams that were not, as many are completed as answers are missing; an
answer with score 1 ends the search once there are as many answers as requested; the whole prefix is scored again at
each step, as process reward models were trained to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Outcome, Prompt
from cogitate.strategies.search.step_ahead import step_ahead
from cogitate.strategies.search.steps import BranchingOptions, Path, elect_answer, select_best


@dataclass(frozen=True, slots=True)
class Beams:
    """The beams after a step."""

    frontier: Sequence[Path]
    """Those that are extended."""
    leaves: int
    """How many children they get together."""
    done: Sequence[Path] = ()
    alive: Sequence[Path] = ()
    """All that are not done, the best first."""
    are_lost: bool = False
    """Whether no child is promising: those that are extended are completed."""

    @property
    def slots(self) -> list[Path]:
        """The beam that each leaf extends."""
        return [self.frontier[leaf % len(self.frontier)] for leaf in range(self.leaves)]


class BeamSearch(BranchingOptions):
    """Extend partial solutions step by step, retaining those with the highest verifier scores."""

    paper: ClassVar[str] = "arXiv:2408.03314"
    when: ClassVar[str] = "long solutions, with a step verifier"
    when_not: ClassVar[str] = (
        "easy questions, where all beams look alike; a verifier that was not trained on unfinished solutions; a model "
        "that does not separate its steps by blank lines"
    )
    cost_note: ClassVar[str] = "about n answers, one verdict per step; each step of lookahead as much again"
    version: ClassVar[int] = 9

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
        beams = Beams([Path(prompt)], self.n)
        async with self.speculation(run):
            for depth in range(self.max_steps):
                last = beams.are_lost or depth == self.max_steps - 1
                predict = partial(self.predict, beams, run, depth)
                ahead = (
                    None
                    if self.lookahead
                    else step_ahead(self, run, beams.slots, predict, last=depth == self.max_steps - 2)
                )
                children = await self.expand(beams.slots, run, last=last, lookahead=self.lookahead, on_end=ahead)
                grown = self.select(beams, children, run, depth)
                run.propose(await select_best(grown.done or grown.alive or beams.frontier, run))
                beams = grown
                if not beams.leaves:
                    break
        return await elect_answer(beams.done or beams.frontier, run, weighted=False)

    def select(self, beams: Beams, children: Sequence[Path | None], run: Run, depth: int) -> Beams:
        """Retain the best of the children; no leaves where the search is over."""
        grown = [child for child in children if child]
        done = sorted((*beams.done, *(beam for beam in grown if beam.done)), key=beam_score, reverse=True)[: self.n]
        unfinished = {beam.text: beam for beam in grown if not beam.done}
        alive = sorted(unfinished.values(), key=beam_score, reverse=True)
        lost = depth > 0 and bool(promising(beams.frontier)) and not promising(grown)
        missing = max(0, run.request.answers - len(done))
        leaves = missing if lost else self.n - len(promising(done))
        if not alive or (any(map(is_certain, done)) and not missing):
            leaves = 0
        frontier = (promising(alive) or alive)[: max(1, leaves // self.width)]
        return Beams(frontier or beams.frontier, leaves, done, alive, lost)

    def predict(self, beams: Beams, run: Run, depth: int, children: Sequence[Path | None]) -> Sequence[Path]:
        """Select among the children that have ended; none of those that are extended only where all beams are lost."""
        grown = self.select(beams, children, run, depth)
        return grown.slots if grown.leaves and promising(grown.frontier) else ()


def promising(beams: Sequence[Path]) -> list[Path]:
    """Return the beams whose score is not 0."""
    return [beam for beam in beams if beam.score_or_prior > 0]


def is_certain(beam: Path) -> bool:
    """Return whether no answer can be better: a solution with score 1 that came to its end."""
    return beam.score == 1 and not beam.is_cut_off


def beam_score(beam: Path) -> float:
    return beam.score_or_prior
