"""Steps of a search that start before it is known whether they are needed: what `Run.early` offers a search."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from cogitate.strategies.core.aggregation import reduce_steps
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.session import Session
from cogitate.strategies.core.types import Aggregation, Completion, Sampling


class StepSampling(Protocol):
    """Returns the sampling of a step."""

    def __call__(self, max_tokens: int | None, *, stop: str | None) -> Sampling: ...


class EarlySteps:
    """The steps that one search has started early; `Run.generate_each` takes over those that it asks for."""

    __slots__ = ("_decodes", "_sampling", "_session")

    def __init__(self, session: Session, sampling: StepSampling) -> None:
        self._session, self._decodes, self._sampling = session, session.early, sampling

    @asynccontextmanager
    async def open(self, cost: int) -> AsyncIterator[None]:
        """Let steps start in the block, from the tokens that the budget has beyond `cost`.

        The rest of the search has the same tokens with and without them. Those that nobody takes are aborted.
        """
        budget = self._session.budget
        self._decodes.open(budget.take_beyond(cost), self._session.record_dropped)
        try:
            yield
        finally:
            budget.give_back(await self._decodes.close())

    def start(
        self, prompt: Prompt, branch: str, on_end: Callable[[], object], *, max_tokens: int | None, stop: str | None
    ) -> None:
        """Start one decode of a later `generate_each` with `branches`, in role `step`. `on_end` is called at its end.

        Nothing starts where other requests wait for the engine, no tokens are to spare, or it has been started.
        """
        if branch not in self._decodes and not self._session.budget.under_load():
            self._session.start_early(branch, prompt, self._sampling(max_tokens, stop=stop), on_end)

    def retain(self, is_needed: Callable[[str], bool]) -> None:
        """Abort those of all other branches."""
        self._decodes.retain(is_needed)

    def find(self, branch: str) -> Completion | None:
        """Return a branch's step; None where it has not ended."""
        return self._decodes.find(branch)

    @property
    def running(self) -> int:
        """How many are being decoded."""
        return self._decodes.running

    def __len__(self) -> int:
        return len(self._decodes)

    async def preview(self, verifier: str, candidate: Completion, how: Aggregation | None = None) -> float | None:
        """Return the score that a verifier will give a candidate, unrecorded; None where asking twice has a price."""
        judge = self._session.verifiers[verifier]
        if not judge.is_pure:
            return None
        (verdict,) = await judge.judge(candidate.prompt, [candidate], _refuse)
        return reduce_steps(verdict.steps, how or judge.aggregation)


async def _refuse(
    prompts: Sequence[Prompt], labels: tuple[str, ...] = (), *, max_tokens: int = 1, greedy: bool = True
) -> Sequence[Completion | None]:
    """Lose every verdict that needs a decode."""
    return [None] * len(prompts)
