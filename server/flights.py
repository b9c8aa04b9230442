"""One process finds an answer and the others that want the same wait for it: over a Redis that they share.

A claim in the cache says who finds it. It only saves work, so it need not be exact: it ends by itself when its holder
dies, and where Redis does not serve, everybody finds for himself. (Single flight, as Go's groupcache names it.)
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass

from server.cache import CLAIM_SECONDS, Cache

FIRST, LONGEST, GROWTH = 0.02, 0.2, 1.5
"""Seconds between two looks at whether the other one has landed."""


@dataclass(slots=True)
class Flight:
    found: bytes | None = None
    """What another process found meanwhile."""
    made: bytes | None = None
    """What this one did, if it may be kept."""


@dataclass(frozen=True, slots=True)
class Flights:
    cache: Cache
    aside: Callable[[Coroutine[object, object, None]], None]
    """Does what no answer waits for."""

    @asynccontextmanager
    async def of(self, key: str | None, *, waits: bool) -> AsyncIterator[Flight]:
        """`waits`: for another process that finds the same. What is `made` is kept, then the claim is given up."""
        claimed = waits and key is not None
        flight = Flight(await self._waited(key) if claimed and key is not None else None)
        claimed = claimed and flight.found is None
        renewing = asyncio.ensure_future(self._renewed(key)) if claimed and key is not None else None
        try:
            yield flight
        finally:
            if renewing:
                renewing.cancel()
            if key is not None and flight.found is None:
                self.aside(self._landed(key, flight.made, claimed))

    async def _waited(self, key: str) -> bytes | None:
        """What another found, or None: it is ours to find."""
        pause = FIRST
        while not await self.cache.claim(key):
            await asyncio.sleep(pause)
            pause = min(LONGEST, pause * GROWTH)
        if (found := await self.cache.get(key)) is not None:
            self.aside(self.cache.release(key))
        return found

    async def _renewed(self, key: str) -> None:
        while True:
            await asyncio.sleep(CLAIM_SECONDS / 3)
            await self.cache.renew(key)

    async def _landed(self, key: str, made: bytes | None, claimed: bool) -> None:
        if made is not None:
            await self.cache.put(key, made)
        if claimed:
            await self.cache.release(key)
