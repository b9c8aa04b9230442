"""One process finds an answer and the others that want the same wait for it: over a Redis that they share.

A claim in the cache says who finds it. It only saves work, so it need not be exact: it ends by itself when its holder
dies, and where Redis does not serve, everybody finds for himself. (Single flight, as Go's groupcache names it.)
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cogitate.server.cache import CLAIM_SECONDS, Cache

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
    kept: Callable[[], None] = lambda: None
    """Hears of each answer that the cache took."""

    @asynccontextmanager
    async def of(self, key: str | None, *, waits: bool) -> AsyncIterator[Flight]:
        """`waits`: for another process that finds the same. What is `made` is kept, then the claim is given up."""
        found = await self.waited(key) if waits and key is not None else None
        if key is None or found is not None:
            yield Flight(found)
            return
        async with self.held(key, claimed=waits) as flight:
            yield flight

    @asynccontextmanager
    async def held(self, key: str, *, claimed: bool = True, seconds: int | None = None) -> AsyncIterator[Flight]:
        """While this process finds it. `seconds`: how long what is `made` is kept, where not as long as others."""
        flight = Flight()
        renewing = asyncio.ensure_future(self._renewed(key)) if claimed else None
        try:
            yield flight
        finally:
            if renewing:
                renewing.cancel()
            self.aside(self._landed(key, flight.made, claimed, seconds))

    async def waited(self, key: str, look: Callable[[], Awaitable[None]] | None = None) -> bytes | None:
        """What another found, or None: it is ours to find. `look`: done again and again meanwhile; it may raise."""
        pause = FIRST
        while not await self.cache.claim(key):
            if look:
                await look()
            await asyncio.sleep(pause)
            pause = min(LONGEST, pause * GROWTH)
        ours = False
        try:
            found = await self.cache.get(key)
            ours = found is None
        finally:
            if not ours:
                self.aside(self.cache.release(key))
        return found

    async def _renewed(self, key: str) -> None:
        while True:
            await asyncio.sleep(CLAIM_SECONDS / 3)
            await self.cache.renew(key)

    async def _landed(self, key: str, made: bytes | None, claimed: bool, seconds: int | None) -> None:
        if made is not None and await self.cache.put(key, made, seconds=seconds):
            self.kept()
        if claimed:
            await self.cache.release(key)
