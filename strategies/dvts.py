"""Diverse verifier tree search: independent greedy subtrees in place of one beam. Beeching, Tunstall and Rush, 2024.

The search of "Scaling test-time compute with open models", for which there is no paper: cited is the study of it by
Liu et al., 2025, arXiv:2502.06703. High scores in one subtree cannot displace another, which pays off where n is large.

Deviations: a child that ends early frees its slot in its subtree, but its answer counts in the vote, whatever its
siblings scored; so each subtree has `width` leaves at the end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from pydantic import Field

from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Outcome
from cogitate.strategies.search.step_ahead import step_ahead
from cogitate.strategies.search.steps import BranchingOptions, Path, elect_answer, select_best


@dataclass(frozen=True, slots=True)
class Trees:
    """The trees before a step."""

    heads: Mapping[int, Path]
    """The path that each tree extends, of those that still grow."""
    width: int
    steps_left: int
    leaves: Mapping[int, Sequence[Path]] = field(default_factory=dict)
    """The paths of each tree that are done."""

    @property
    def owners(self) -> list[int]:
        """The tree of each child of the next step."""
        return [tree for tree in self.heads for _ in range(self.width - len(self.leaves.get(tree, ())))]

    @property
    def slots(self) -> list[Path]:
        """The path that each child of the next step extends."""
        return [self.heads[tree] for tree in self.owners]

    @property
    def last(self) -> bool:
        """Whether the step is the last."""
        return self.steps_left == 1

    @property
    def all_leaves(self) -> list[Path]:
        """The paths that are done."""
        return [leaf for leaves in self.leaves.values() for leaf in leaves]

    def grow(self, children: Sequence[Path | None]) -> "Trees":
        """Retain the child with the highest score in each tree; a child that is done becomes a leaf."""
        leaves = {tree: list(self.leaves.get(tree, ())) for tree in (*self.leaves, *self.heads)}
        alive: dict[int, list[Path]] = {}
        for tree, child in zip(self.owners, children, strict=True):
            if child:
                (leaves if child.done else alive).setdefault(tree, []).append(child)
        heads = {tree: max(siblings, key=lambda path: path.score_or_prior) for tree, siblings in alive.items()}
        return Trees(heads, self.width, self.steps_left - 1, leaves)

    def after(self, children: Sequence[Path | None]) -> "Trees | None":
        """Retain among the children that have ended, but for trees that would have score 0 for the first time."""
        grown = self.grow(children)
        lost = {tree for tree, head in self.heads.items() if not head.score_or_prior}
        heads = {tree: head for tree, head in grown.heads.items() if head.score_or_prior or tree in lost}
        best = sorted(heads.items(), key=lambda head: head[1].score_or_prior, reverse=True)
        return None if self.last or not best else replace(grown, heads=dict(best))


class Dvts(BranchingOptions):
    """Grow independent trees, retaining the step with the highest score in each, and vote over leaves by score."""

    paper: ClassVar[str] = "arXiv:2502.06703"
    when: ClassVar[str] = "long solutions, with a step verifier and a large n"
    when_not: ClassVar[str] = (
        "a small n, where each tree has too few leaves: use beam_search; and where beam_search is of no use"
    )
    cost_note: ClassVar[str] = "about n answers, one verdict per step"

    name: Literal["dvts"] = "dvts"
    weighted: bool = Field(default=True, description="Choose the answer with the highest sum of scores.")

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        trees = Trees(dict.fromkeys(range(self.n // self.width), Path(prompt)), self.width, self.max_steps)
        async with self.speculation(run):
            while True:
                ahead = step_ahead(self, run, trees)
                grown = trees.grow(await self.expand(trees.slots, run, last=trees.last, on_end=ahead))
                run.propose(await select_best(grown.all_leaves or [*(grown.heads or trees.heads).values()], run))
                if not grown.heads or trees.last:
                    break
                trees = grown
        return await elect_answer(grown.all_leaves or [*trees.heads.values()], run, weighted=self.weighted)
