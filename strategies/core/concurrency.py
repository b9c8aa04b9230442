"""Structured concurrency: tasks that end with the block that started them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

from cogitate.strategies.core.types import Completion

T = TypeVar("T")


async def iterate_results(
    finished: "asyncio.Queue[tuple[int, Completion | Exception]]",
    indices: range,
    *,
    in_order: bool,
    on_taken: Callable[[], object],
) -> AsyncIterator[Completion]:
    """Yield the completions as they finish, or in the order of `indices`.

    `on_taken` is called once for each completion, when the consumer asks for more and none is at hand. Failed decodes
    are skipped; raises the first failure where all failed.
    """
    waiting: dict[int, Completion | Exception] = {}
    failures: list[Exception] = []
    unreported = 0
    for index in indices:
        while not waiting if not in_order else index not in waiting:
            while finished.empty() and unreported:
                unreported -= 1
                on_taken()
            at, result = await finished.get()
            waiting[at] = result
        result = waiting.pop(index if in_order else next(iter(waiting)))
        if isinstance(result, Completion):
            yield result
        else:
            failures.append(result)
        unreported += 1
    if len(failures) == len(indices):
        raise failures[0]


class Width(Protocol):
    """A number of decodes in flight that depends on the load."""

    def __call__(self, *, under_load: bool) -> int: ...


class WidthLimiter:
    """A semaphore whose width is computed again at each release."""

    def __init__(self, width: int | Width, under_load: Callable[[], bool]) -> None:
        self._width, self._under_load = width, under_load
        self._entries, self.open = asyncio.Semaphore(0), 0
        self._fill()

    async def acquire(self) -> None:
        await self._entries.acquire()

    def release(self) -> None:
        self.open -= 1
        self._fill()

    def _fill(self) -> None:
        width = self._width if isinstance(self._width, int) else self._width(under_load=self._under_load())
        while self.open < width:
            self.open += 1
            self._entries.release()


@asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """Open a TaskGroup that raises its first failure itself, not an ExceptionGroup."""
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def run_all(works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Run coroutines concurrently and return their results in order. The first failure cancels the rest."""
    async with task_group() as group:
        tasks = [group.create_task(work) for work in works]
    return [task.result() for task in tasks]


async def for_each(items: Sequence[T], limit: int, do: Callable[[T], Awaitable[None]]) -> None:
    """Run an async function over a list with bounded concurrency.

    Items are started in order, at most `limit` at a time. The first failure is raised itself, and cancels the rest.
    """
    queue = iter(items)

    async def work() -> None:
        for item in queue:
            await do(item)

    async with task_group() as group:
        for _ in range(min(limit, len(items))):
            group.create_task(work())
