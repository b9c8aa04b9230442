"""An event loop in virtual time: its clock jumps to the next timer instead of waiting.

A replay sleeps one virtual second per token, so a thousand decodes of a thousand tokens take milliseconds.

The package `looptime` (0.9) does the same for tests and is not used, because it cannot stop its clock: a replay that
asks a server must not let time pass while it waits for the server's thread (`pause_clock`), and looptime then advances
the clock by the real time. It also spends 42 idle cycles of the loop before each jump.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class _JumpingSelector(selectors.DefaultSelector):
    """Sets the clock to when the next timer is due instead of waiting for it, unless the clock is paused."""

    now = 0.0
    """Virtual seconds."""
    pauses = 0
    """Callers that have paused the clock, and threads that work for the loop."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        waits = timeout is None or (timeout and self.pauses)
        ready = super().select(None if waits else 0)
        if timeout and not ready:
            self.now += timeout
        return ready


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.selector = _JumpingSelector()
        super().__init__(self.selector)

    def time(self) -> float:
        return self.selector.now

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Stop the clock until the thread is done: otherwise its real duration would decide what finishes first."""
        future = super().run_in_executor(executor, func, *args)
        self.selector.pauses += 1
        future.add_done_callback(self._resume)
        return future

    def _resume(self, _: asyncio.Future[Any]) -> None:
        self.selector.pauses -= 1


@contextmanager
def pause_clock() -> Iterator[None]:
    """Stop the clock of the running virtual loop, for waiting on another thread or a socket."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _VirtualLoop)
    loop.selector.pauses += 1
    try:
        yield
    finally:
        loop.selector.pauses -= 1


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time, like asyncio.run."""
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(coroutine)
