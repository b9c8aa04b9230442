"""A long list of things to do, so many at once."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from cogitate.strategies.core.concurrency import task_group

T = TypeVar("T")


async def each(things: Sequence[T], at_once: int, do: Callable[[T], Awaitable[None]]) -> None:
    """They are begun in order. The first failure is raised bare, and the others end."""
    queue = iter(things)

    async def lane() -> None:
        for thing in queue:
            await do(thing)

    async with task_group() as lanes:
        for _ in range(min(at_once, len(things))):
            lanes.create_task(lane())
