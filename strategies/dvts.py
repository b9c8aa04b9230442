"""Diverse verifier tree search: independent greedy subtrees in place of one beam. Beeching, Tunstall and Rush, 2024.

The search of "Scaling test-time compute with open models", for which there is no paper: cited is the study of it by
Liu et al., 2025, arXiv:2502.06703. High scores in one subtree cannot displace another, which pays off where n is large.

Deviations: a child that ends early frees its slot in its subtree, but its answer counts in the vote, whatever its
siblings scored; so each subtree has `width` leaves at the end.
"""

from typing import ClassVar, Literal

from pydantic import Field

from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Outcome, Prompt
from cogitate.strategies.search.steps import BranchingOptions, Path, elect_answer, select_best


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
        heads = dict.fromkeys(range(self.n // self.width), Path(prompt))
        leaves: dict[int, list[Path]] = {tree: [] for tree in heads}
        for depth in range(self.max_steps):
            trees = [tree for tree in heads for _ in range(self.width - len(leaves[tree]))]
            children = await self.expand([heads[t] for t in trees], run, last=depth == self.max_steps - 1)
            alive: dict[int, list[Path]] = {}
            for tree, child in zip(trees, children, strict=True):
                if child:
                    (leaves if child.done else alive).setdefault(tree, []).append(child)
            grown = {tree: max(siblings, key=lambda path: path.score_or_prior) for tree, siblings in alive.items()}
            done = [leaf for tree in leaves.values() for leaf in tree]
            run.propose(await select_best(done or [*(grown or heads).values()], run))
            if not grown:
                break
            heads = grown
        return await elect_answer(done or [*heads.values()], run, weighted=self.weighted)
