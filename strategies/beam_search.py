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
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from pydantic import Field

from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Outcome
from cogitate.strategies.search.step_ahead import step_ahead
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
        beams = Beams(search=self, answers=run.request.answers, frontier=[Path(prompt)], leaves=self.n)
        async with self.speculation(run):
            while beams.leaves and beams.depth < self.max_steps:
                ahead = None if self.lookahead else step_ahead(self, run, beams)
                children = await self.expand(beams.slots, run, last=beams.last, lookahead=self.lookahead, on_end=ahead)
                grown = beams.grow(children)
                run.propose(await select_best(grown.done or grown.alive or beams.frontier, run))
                beams = grown
        return await elect_answer(beams.done or beams.frontier, run, weighted=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beams:
    """The beams before a step."""

    search: "BeamSearch"
    answers: int
    """How many the client requested."""
    frontier: Sequence[Path]
    """Those that are extended."""
    leaves: int
    """How many children they get together; 0 where the search is over."""
    depth: int = 0
    done: Sequence[Path] = ()
    alive: Sequence[Path] = ()
    """All that are not done, the best first."""
    are_lost: bool = False
    """Whether no beam is promising: those that are extended are completed."""

    @property
    def slots(self) -> list[Path]:
        """The beam that each leaf extends."""
        return [self.frontier[leaf % len(self.frontier)] for leaf in range(self.leaves)]

    @property
    def last(self) -> bool:
        """Whether the step is the last of all."""
        return self.are_lost or self.depth == self.search.max_steps - 1

    def grow(self, children: Sequence[Path | None]) -> "Beams":
        """Retain the best of the children."""
        grown = [child for child in children if child]
        done = sorted((*self.done, *(beam for beam in grown if beam.done)), key=beam_score, reverse=True)
        done = done[: self.search.n]
        unfinished = {beam.text: beam for beam in grown if not beam.done}
        alive = sorted(unfinished.values(), key=beam_score, reverse=True)
        lost = self.depth > 0 and bool(promising(self.frontier)) and not promising(grown)
        missing = max(0, self.answers - len(done))
        leaves = missing if lost else self.search.n - len(promising(done))
        if not alive or (any(map(is_certain, done)) and not missing):
            leaves = 0
        frontier = (promising(alive) or alive)[: max(1, leaves // self.search.width)] or self.frontier
        return replace(
            self, frontier=frontier, leaves=leaves, depth=self.depth + 1, done=done, alive=alive, are_lost=lost
        )

    def after(self, children: Sequence[Path | None]) -> "Beams | None":
        """Retain the best of the children that have ended; None where none is promising for the first time."""
        grown = self.grow(children)
        is_likely = promising(grown.frontier) or not promising(self.frontier)
        return grown if grown.leaves and is_likely and not self.last and not grown.are_lost else None


def promising(beams: Sequence[Path]) -> list[Path]:
    """Return the beams whose score is not 0."""
    return [beam for beam in beams if beam.score_or_prior > 0]


def is_certain(beam: Path) -> bool:
    """Return whether no answer can be better: a solution with score 1 that came to its end."""
    return beam.score == 1 and not beam.is_cut_off


def beam_score(beam: Path) -> float:
    return beam.score_or_prior
