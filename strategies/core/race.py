"""Independent samples of prompts, as they finish: those of earlier searches first, then new ones. See `Run.race`."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from cogitate.strategies.core.budget import BudgetExhausted
from cogitate.strategies.core.concurrency import Width, WidthLimiter, iterate_results, task_group
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.session import Session
from cogitate.strategies.core.types import Completion, ConfidenceThreshold

Samples = AbstractAsyncContextManager[AsyncIterator[Completion]]
"""Samples as they finish. Leaving the block aborts those still decoding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """How samples are drawn; the fields are the arguments of `Run.race`."""

    session: Session
    concurrency: int | Width | None
    surplus: bool
    threshold: ConfidenceThreshold | None

    def run(self, prompts: Sequence[Prompt]) -> Samples:
        """Return a sample of each prompt, by an earlier search where it drew one."""
        old, missing = ([], prompts) if self.threshold else self.session.stock.take(prompts)
        return self._top_up(old, missing) if old else self._draw(missing)

    @asynccontextmanager
    async def _top_up(
        self, old: Sequence[Completion], missing: Sequence[Prompt]
    ) -> AsyncIterator[AsyncIterator[Completion]]:
        """Iterate over the old samples, then over new ones of the `missing` prompts.

        With a surplus these start once the old ones are consumed, so that nothing is decoded where they decide the
        vote; without one, at once.
        """
        spared = len(missing) if self.surplus else 0
        async with AsyncExitStack() as stack:
            rest = await stack.enter_async_context(self._draw(missing)) if missing and not self.surplus else None

            async def iterate() -> AsyncIterator[Completion]:
                nonlocal spared
                for sample in old:
                    yield self.session.reuse(sample)
                if missing:
                    spared = 0
                    samples = await stack.enter_async_context(self._draw(missing)) if rest is None else rest
                    try:
                        async for sample in samples:
                            yield sample
                    except (SampleFailed, BudgetExhausted):  # all of them failed: the old ones stand
                        return

            yield iterate()
        self.session.budget.spared += spared

    @asynccontextmanager
    async def _draw(self, prompts: Sequence[Prompt]) -> AsyncIterator[AsyncIterator[Completion]]:
        """Decode a sample of each prompt."""
        session, sampling, n = self.session, self.session.request.sampling, len(prompts)
        first, limiter = session.take_indices(n), WidthLimiter(self.concurrency or n, session.budget.under_load)
        all_at_once = not self.surplus and limiter.open >= n
        sampling = replace(
            sampling, reads_partial=self.surplus, confidence_threshold=self.threshold, joinable=all_at_once
        )
        finished: asyncio.Queue[tuple[int, Completion | Exception]] = asyncio.Queue()

        async def sample(index: int) -> None:
            await limiter.acquire()
            own = prompts[index - first]
            result = await session.attempt(index, own, sampling, "candidate", siblings=first + n - index)
            if self.threshold is None and isinstance(result, Completion):
                session.stock.add(result)
            finished.put_nowait((index, result))

        async with task_group() as group:
            tasks = [group.create_task(sample(first + at)) for at in range(n)]
            in_order = sampling.seed is not None
            yield iterate_results(finished, range(first, first + n), in_order=in_order, on_taken=limiter.release)
            session.budget.spared += sum(task.cancel() for task in tasks)
