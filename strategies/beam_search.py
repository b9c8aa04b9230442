"""Beam search over reasoning steps, guided by a step verifier. Snell et al., 2024, arXiv:2408.03314, section 5.2.

`lookahead` judges a step by where it leads: it is followed greedily, what was rolled out is scored, and the
step alone is kept.

Deviations: a beam that ends early gives up its slot but competes with its score at the end, so that there are never
more than n leaves; identical beams are expanded once; a beam with score 0 is lost: it is only kept where all are, the
others have its leaves, and where all are that grew from one that was not, the step is tried once more; an answer with
score 1 ends the search; the whole prefix is scored anew at each step, as process reward models were trained to.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar, Literal

from pydantic import Field

from strategies.paths import Branching, Path, best
from strategies.ports import SampleFailed
from strategies.run import Run
from strategies.types import Outcome, Prompt


class BeamSearch(Branching):
    """Extend partial solutions step by step, keeping the ones the verifier likes best."""

    paper: ClassVar[str] = "arXiv:2408.03314"
    version: ClassVar[int] = 4

    name: Literal["beam_search"] = "beam_search"
    lookahead: int = Field(default=0, ge=0, le=4, description="Further steps a step is judged by (k in the paper)")

    def cost(self, max_tokens: int) -> int:
        """Each step is decoded once, and up to `lookahead` more are rolled out behind it."""
        return super().cost(max_tokens) + self.n * 2 * max_tokens * self.lookahead

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        frontier, done = [Path(prompt)], list[Path]()
        for depth in range(self.max_steps):
            last, leaves = depth == self.max_steps - 1, self.n - len(promising(done))
            beams = await self.grown(frontier, leaves, run, last=last)
            if beams and not promising(beams) and (depth == 0 or promising(frontier)):
                with suppress(SampleFailed):
                    beams = distinct([*beams, *await self.grown(frontier, leaves, run, last=last)])
            done += [beam for beam in beams if beam.done]
            done = (promising(done) or done)[: self.n]
            alive = sorted((beam for beam in beams if not beam.done), key=lambda beam: beam.score, reverse=True)
            run.propose(await best(done or alive or frontier, run))
            room = self.n - len(promising(done))
            if not alive or not room or any(beam.score == 1 for beam in done):
                break
            frontier = (promising(alive) or alive)[: max(1, room // self.width)]
        return await best(done or frontier, run)

    async def grown(self, frontier: Sequence[Path], leaves: int, run: Run, *, last: bool) -> list[Path]:
        """So many leaves, shared out among the beams, less what was lost or is there already."""
        slots = [frontier[leaf % len(frontier)] for leaf in range(leaves)]
        children = await self.expanded(slots, run, last=last, lookahead=self.lookahead)
        return distinct([beam for beam in children if beam])


def promising(beams: Sequence[Path]) -> list[Path]:
    """Those that the verifier has not given up."""
    return [beam for beam in beams if beam.score > 0]


def distinct(beams: Sequence[Path]) -> list[Path]:
    return list({beam.text: beam for beam in beams}.values())
