"""Tasks that belong to a block of code: started in it, and gone when it is left."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

from cogitate.strategies.core.types import Completion

T = TypeVar("T")


async def arrivals(
    finished: "asyncio.Queue[tuple[int, Completion | Exception]]",
    indices: range,
    *,
    in_order: bool,
    taken: Callable[[], object],
) -> AsyncIterator[Completion]:
    """The completions as they come, or in order; `taken` is called for each when the taker has no more at hand.

    Raises the first loss when every one was lost.
    """
    waiting: dict[int, Completion | Exception] = {}
    losses: list[Exception] = []
    owed = 0
    for index in indices:
        while not waiting if not in_order else index not in waiting:
            while finished.empty() and owed:
                owed -= 1
                taken()
            at, result = await finished.get()
            waiting[at] = result
        result = waiting.pop(index if in_order else next(iter(waiting)))
        if isinstance(result, Completion):
            yield result
        else:
            losses.append(result)
        owed += 1
    if len(losses) == len(indices):
        raise losses[0]


class Width(Protocol):
    """How many may be in flight; `pressed`: while others wait."""

    def __call__(self, *, pressed: bool) -> int: ...


class Lanes:
    """As many may enter as `width` says; whenever one is freed, it is asked again."""

    def __init__(self, width: int | Width, pressed: Callable[[], bool]) -> None:
        self._width, self._pressed, self._entry, self.open = width, pressed, asyncio.Semaphore(0), 0
        self._fill()

    async def enter(self) -> None:
        await self._entry.acquire()

    def free(self) -> None:
        self.open -= 1
        self._fill()

    def _fill(self) -> None:
        width = self._width if isinstance(self._width, int) else self._width(pressed=self._pressed())
        while self.open < width:
            self.open += 1
            self._entry.release()


@asynccontextmanager
async def group() -> AsyncIterator[asyncio.TaskGroup]:
    """A TaskGroup that raises its first failure bare: one cause, not an ExceptionGroup."""
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def beside(works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """What they come to, side by side, in order. The first failure ends them all."""
    async with group() as tasks_of:
        tasks = [tasks_of.create_task(work) for work in works]
    return [task.result() for task in tasks]
