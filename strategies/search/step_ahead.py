"""Decodes the next step of paths that have ended a step while others have not: speculative beam extension.

Chen et al., 2025 (FastTTS), arXiv:2509.00195, section 4.1. A step is as slow as its longest path; the slots of those
that have ended earlier would be idle. A child that starts early is kept where its parent is retained, by the same name
and seed as without; the others are dropped.

Deviations: the paper starts children of the paths with the highest scores of the step before; here the search's own
selection chooses, applied to the paths that have ended, with their new scores where asking the verifier twice is free.
At most one step is decoded ahead. A child of a path that is retained is never truncated.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.run import OnEnd, Run
from cogitate.strategies.core.types import Aggregation, Completion
from cogitate.strategies.search.steps import Path, StepwiseOptions, name_branches, stop_of

Predict = Callable[[Sequence[Path | None]], Sequence[Path]]
"""Returns the paths that the next step will extend, from the children so far, in order; None where one has not ended.

Only those that are surely worth a step; a path is repeated for each of its children.
"""


def step_ahead(
    options: StepwiseOptions, run: Run, paths: Sequence[Path], predict: Predict, *, last: bool, sweep: int = 0
) -> OnEnd | None:
    """Return what starts the next step of `paths` early, as each ends this one; None where the options forbid it.

    `last`: whether the next step is the last.
    """
    if not options.speculate:
        return None
    verifier = options.verifiers[0]
    return StepAhead(
        run=run,
        paths=paths,
        predict=predict,
        last=last,
        sweep=sweep,
        verifier=verifier,
        aggregation=options.aggregation,
    ).on_end


@dataclass(slots=True, kw_only=True)
class StepAhead:
    """The early steps of one step of a search."""

    run: Run
    paths: Sequence[Path]
    """Those that this step extends."""
    verifier: str
    aggregation: Aggregation | None
    predict: Predict
    last: bool
    """Whether the next step is the last."""
    sweep: int = 0
    _children: list[Path | None] = field(init=False)
    _stragglers: int = field(init=False)

    def __post_init__(self) -> None:
        self._children, self._stragglers = [None] * len(self.paths), len(self.paths)

    async def on_end(self, at: int, step: Completion | None) -> None:
        """Note that a path's step has ended, and start steps in the slots that are free by then."""
        self._stragglers -= 1
        await asyncio.sleep(0)  # Others that end at the same moment are no stragglers.
        if step is None or not self._stragglers:
            return
        child = self.paths[at].extend(step, self._limit)
        self._children[at] = child.with_score(await self._preview(child), None)
        self.fill()

    def fill(self) -> None:
        """Start the steps that the search would choose now, at most as many as slots are free."""
        if not self._stragglers:
            return
        paths = [path for path in self.predict(self._children) if any(path is child for child in self._children)]
        names = name_branches(paths, last=self.last, sweep=self.sweep)
        for name, path in sort_by_rank(zip(names, paths, strict=True)):
            if not self._has_room:
                return
            limit, stop = path.remaining_tokens(self._limit), stop_of(last=self.last)
            self.run.early.start(path.prompt, name, self.fill, max_tokens=limit, stop=stop)

    @property
    def _limit(self) -> int | None:
        return self.run.request.sampling.max_tokens

    @property
    def _has_room(self) -> bool:
        early, slots = self.run.early, len(self.paths)
        return early.running + self._stragglers < slots and len(early) < slots

    async def _preview(self, child: Path) -> float | None:
        if child.solution is None:
            return None
        try:
            return await self.run.early.preview(self.verifier, child.solution, self.aggregation)
        except SampleFailed:
            return None


def sort_by_rank(children: Iterable[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Sorts children so that each path's first one comes before any path's second one."""
    seen, ranks = Counter[int](), list[tuple[int, str, Path]]()
    for name, path in children:
        ranks.append((seen[id(path)], name, path))
        seen[id(path)] += 1
    return [(name, path) for _, name, path in sorted(ranks, key=lambda rank: rank[0])]
