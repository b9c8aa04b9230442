"""Decodes the next steps of paths that have ended a step while others have not: speculative beam extension.

Chen et al., 2025 (FastTTS), arXiv:2509.00195, section 4.1. A step is as slow as its longest path; the slots of those
that have ended earlier would be idle. A child that starts early is kept where its parent is retained, by the same name
and seed as without; the others are dropped.

Deviations: the paper starts children of the paths with the highest scores of the step before; here the search's own
selection chooses, applied to the paths that have ended, with their new scores where asking the verifier twice is free.
At most `MAX_STEPS_AHEAD` steps are decoded ahead. A child of a path that is retained is never truncated.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.run import OnEnd, Run
from cogitate.strategies.core.types import Aggregation, Completion
from cogitate.strategies.search.branches import name_branches
from cogitate.strategies.search.steps import Path, StepwiseOptions, stop_of

MAX_STEPS_AHEAD = 3
"""Steps beyond the current one that may start."""
MAX_SLOTS = 32
"""Wider searches start nothing early: the time to choose grows with the square of the width."""


class Forecast(Protocol):
    """The state of a search before a step: what it extends, and what it would extend next."""

    @property
    def slots(self) -> Sequence[Path]:
        """The paths that the step extends; a path is repeated for each of its children."""

    @property
    def last(self) -> bool:
        """Whether it is the last step."""

    def after(self, children: Sequence[Path | None]) -> "Forecast | None":
        """Return the state after the step, from the children so far, in order; None where one has not ended.

        Its slots are only those that are surely worth a step; None where there are none.
        """


def step_ahead(options: StepwiseOptions, run: Run, forecast: Forecast, *, sweep: int = 0) -> OnEnd | None:
    """Return what starts steps beyond that of `forecast`, as its paths end it; None where nothing may start early."""
    if not options.speculate or len(forecast.slots) > MAX_SLOTS:
        return None
    return StepAhead(run, forecast, options.verifiers[0], options.aggregation, sweep).on_end


@dataclass(slots=True)
class StepAhead:
    """The early steps that start during one step of a search."""

    run: Run
    forecast: Forecast
    """The state before the step."""
    verifier: str
    aggregation: Aggregation | None
    sweep: int
    _children: list[Path | None] = field(init=False)
    """Those that have ended the step."""
    _stragglers: int = field(init=False)

    def __post_init__(self) -> None:
        self._stragglers = len(self.forecast.slots)
        self._children = [None] * self._stragglers

    async def on_end(self, at: int, step: Completion | None) -> None:
        """Note that a path's step has ended, and start steps in the slots that are free by then."""
        self._stragglers -= 1
        await asyncio.sleep(0)  # Others that end at the same moment are no stragglers.
        if step is None or not self._stragglers:
            return
        child = self.forecast.slots[at].extend(step, self._limit)
        self._children[at] = child.with_score(await self._preview(child), None)
        self.fill()

    def fill(self) -> None:
        """Start the steps that the search would choose now, the nearest first, in the slots that are free."""
        if not self._has_room:
            return
        forecast: Forecast | None = self.forecast
        children: Sequence[Path | None] = self._children
        for _ in range(MAX_STEPS_AHEAD):
            forecast = forecast.after(children) if forecast and self._stragglers else None
            if forecast is None:
                return
            names = name_branches([path.text for path in forecast.slots], last=forecast.last, sweep=self.sweep)
            known = {id(child) for child in children if child}
            named = [(name, path) for name, path in zip(names, forecast.slots, strict=True) if id(path) in known]
            for name, path in sort_by_rank(named):
                if not self._has_room:
                    return
                limit, stop = path.remaining_tokens(self._limit), stop_of(last=forecast.last)
                self.run.early.start(path.prompt, name, self.fill, max_tokens=limit, stop=stop)
            grown = {name: self._grow(name, path) for name, path in named}
            children = [grown.get(name) for name in names]

    def _grow(self, name: str, path: Path) -> Path | None:
        """Return the path with its early step; None where that has not ended."""
        step = self.run.early.find(name)
        return path.extend(step, self._limit) if step else None

    @property
    def _limit(self) -> int | None:
        return self.run.request.sampling.max_tokens

    @property
    def _has_room(self) -> bool:
        early, slots = self.run.early, len(self.forecast.slots)
        return early.running + self._stragglers < slots and len(early) < slots * MAX_STEPS_AHEAD

    async def _preview(self, child: Path) -> float | None:
        if child.solution is None:
            return None
        try:
            return await self.run.early.preview(self.verifier, child.solution, self.aggregation)
        except SampleFailed:
            return None


def sort_by_rank(children: Iterable[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Sort children so that each path's first one comes before any path's second one; then by the paths' scores."""
    seen, ranks = Counter[int](), list[tuple[int, float, str, Path]]()
    for name, path in children:
        ranks.append((seen[id(path)], -path.score_or_prior, name, path))
        seen[id(path)] += 1
    return [(name, path) for *_, name, path in sorted(ranks, key=lambda rank: rank[:2])]
