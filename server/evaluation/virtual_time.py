"""An event loop whose clock leaps: nobody waits, and a thousand decodes of a thousand tokens take a moment."""

import asyncio
import selectors
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class Leaping(selectors.DefaultSelector):
    """Instead of waiting for a timer it sets the clock to when the timer is due; unless that stands still."""

    now = 0.0
    held = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        waits = timeout is None or (timeout and self.held)
        ready = super().select(None if waits else 0)
        if timeout and not ready:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.leaping = Leaping()
        super().__init__(self.leaping)

    def time(self) -> float:
        return self.leaping.now


@contextmanager
def standing_still() -> Iterator[None]:
    """Within such a loop: no time passes while the world outside is waited for."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.leaping.held += 1
    try:
        yield
    finally:
        loop.leaping.held -= 1


def run(work: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
