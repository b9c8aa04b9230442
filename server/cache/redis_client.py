"""The link to a Redis that may be down or slow: whatever is asked of it ends in time, or was not served."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from cogitate.server.cache.circuit_breaker import Breaker
from cogitate.server.cache.redis_url import connect, let_go, place

PREFIX = "cogitate:1:"
"""Of every name that is ours."""
CONNECTIONS = 16
"""At most so many at a time. More would only have each wait for the others' turn on the event loop."""

_log = logging.getLogger("cogitate.cache")
_T = TypeVar("_T")


class Link:
    """Redis has `timeout` seconds to serve a call, which with the wait for a free connection ends within twice that.

    `on_fault` is told "unavailable" for each that it did not serve. ValueError for an impossible URL.
    """

    def __init__(
        self, url: str, on_fault: Callable[[str], None], *, timeout: float = 0.1, connections: int = CONNECTIONS
    ) -> None:
        self.redis = connect(url, connections)
        self.place = place(url)
        self._on_fault, self._timeout = on_fault, timeout
        self._seats = asyncio.Semaphore(connections)
        self._closed = False

    async def attempt(self, doing: str, breaker: Breaker, call: Callable[[], Awaitable[_T]]) -> _T | None:
        """What the call gave; None where it was not served. `doing`: "read from" or "write to", for the log."""
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * self._timeout), self._seats:
                if not self._closed and (era := breaker.admit()) is not None:
                    return await self._guarded(doing, breaker, era, call)
        self._on_fault("unavailable")
        return None

    async def close(self) -> None:
        self._closed = True
        await let_go(self.redis)

    async def _guarded(self, doing: str, breaker: Breaker, era: int, call: Callable[[], Awaitable[_T]]) -> _T | None:
        try:
            async with asyncio.timeout(self._timeout):
                result = await call()
        except Exception as error:  # noqa: BLE001  whatever broke, a broken cache is a miss
            self._on_fault("unavailable")
            if breaker.failed(era):
                _log.warning("Cannot %s Redis at %s (%s): going on without.", doing, self.place, type(error).__name__)
            return None
        if breaker.succeeded(era):
            _log.warning("Can %s Redis at %s again.", doing, self.place)
        return result
