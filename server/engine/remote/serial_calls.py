"""Calls one at a time, for a server that ends a running stream when another call begins.

llama-cpp-python's server does so by default (`interrupt_requests`): of the samples of a vote all but the last would be
lost. It is recognised by a stream that ends without a finish reason while a later call runs; from then on each call
waits until the one before it has ended.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class SerialCalls:
    """The calls to one replica."""

    is_serial: bool = False
    """One call at a time."""
    started: int = 0
    """Calls so far."""
    running: int = 0
    _waiting: "deque[asyncio.Future[None]]" = field(default_factory=deque)

    async def take(self, deadline: float) -> int:
        """Begin a call, and return its number. Raises TimeoutError at `deadline`, a time of the event loop."""
        if self.is_serial and self.running:
            async with asyncio.timeout_at(deadline):
                await self._wait()
        self.started += 1
        self.running += 1
        return self.started

    def leave(self) -> None:
        """End a call."""
        self.running -= 1
        self._wake()

    async def _wait(self) -> None:
        while self.running:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._wake()
                raise

    def _wake(self) -> None:
        while self._waiting and not self.running:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
