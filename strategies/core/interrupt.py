"""Ending a search from outside: at its deadline, or as soon as somebody asks for its answer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal

Reason = Literal["deadline", "asked", "draining"]
"""Why a search was ended. `asked`: somebody wants the answer now. `draining`: the server shuts down."""


def always() -> bool:
    """Whether an answer could be given: it can."""
    return True


class Interrupted(Exception):
    """The search was ended; its best result so far is the outcome."""


class Interrupt:
    """Ends the search that it watches. A request that comes before the search begins is remembered."""

    def __init__(self) -> None:
        self.reason: Reason | None = None
        """None while nothing has ended the search or requested its end."""
        self._is_pending = False
        self._timeout: asyncio.Timeout | None = None
        self._can_answer: Callable[[], bool] = always

    def request(self, reason: Literal["asked", "draining"]) -> None:
        """End the search with its best so far; `asked` waits until there is something to answer with.

        A repeated request changes nothing. `draining` also ends the answering that `asked` has begun.
        """
        if self.reason is None or (self.reason, reason) == ("asked", "draining"):
            self.reason, self._is_pending = reason, True
            self.check()

    def check(self) -> None:
        """End the search where that was requested and is possible by now."""
        if not self._is_pending or self._timeout is None or self._timeout.expired():
            return
        if self.reason == "draining" or self._can_answer():
            self._is_pending = False
            self._timeout.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def watch(self, deadline: float | None, can_answer: Callable[[], bool] = always) -> AsyncIterator[None]:
        """Run the block until the deadline, on the event loop's clock, or a request. Raises Interrupted.

        `can_answer`: whether an answer could be given now to somebody who asks; `check` calls it again.
        """
        timeout = asyncio.timeout_at(deadline)
        try:
            async with timeout:
                self._timeout, self._can_answer = timeout, can_answer
                self.check()
                yield
        except TimeoutError:
            if not timeout.expired():
                raise
            if self.reason is None or self._is_pending:
                self.reason, self._is_pending = "deadline", False
            raise Interrupted from None
        finally:
            self._timeout, self._can_answer = None, always  # no cycle: it refers to the search
