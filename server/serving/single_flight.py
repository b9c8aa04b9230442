"""Single flight over processes: one process computes a cache key, the others wait for its result.

A claim in the cache decides who computes. The claim only saves work and need not be exact: it expires when its owner
dies, and where Redis does not serve, every process computes for itself. (The term is that of Go's groupcache.)
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from cogitate.server.cache import CLAIM_SECONDS, Cache

FIRST_POLL_SECONDS, MAX_POLL_SECONDS, POLL_GROWTH = 0.02, 0.2, 1.5
"""Seconds between two attempts to claim a key that another process computes."""
HANDOVER_SECONDS = 5
"""How long a result that may not be cached can be taken by the processes that waited for it."""


@dataclass(slots=True)
class Flight:
    """One computation of a cache key."""

    peer_result: bytes | None = None
    """The result, if another process has computed it."""
    result: bytes | None = None
    """The result that this process computed, if it may be cached."""
    handover: bytes | None = None
    """A result that may not be cached, for the processes that wait for it now."""


@dataclass(frozen=True, slots=True)
class SingleFlight:
    """Waits for, claims and stores computations in `cache`."""

    cache: Cache
    run_in_background: Callable[[Coroutine[object, object, None]], None]
    count: Callable[[Literal["stored", "joined"]], None] = lambda _: None
    """Called with "stored" for each result that the cache took, with "joined" for each that a peer computed."""

    @asynccontextmanager
    async def enter(self, key: str | None, *, waits: bool) -> AsyncIterator[Flight]:
        """Wrap the computation of `key`. `waits`: first for another process that computes the same.

        On leaving the block the flight's `result` is stored and the claim released, both in the background.
        """
        found = await self.wait(key) if waits and key is not None else None
        if found is not None:
            self.count("joined")
        if key is None or found is not None:
            yield Flight(found)
            return
        async with self.lead(key, claimed=waits) as flight:
            yield flight

    @asynccontextmanager
    async def lead(self, key: str, *, claimed: bool = True, seconds: int | None = None) -> AsyncIterator[Flight]:
        """Renew the claim while the block runs, then store the flight's `result`.

        `seconds`: the time to live of the stored result; the cache's own where it is None.
        """
        flight = Flight()
        renewal = asyncio.ensure_future(self._renew_claim(key)) if claimed else None
        try:
            yield flight
        finally:
            if renewal:
                renewal.cancel()
            self.run_in_background(self._land(key, flight, claimed, seconds))

    async def wait(self, key: str, check: Callable[[], Awaitable[None]] | None = None) -> bytes | None:
        """Return another process's result, or None where this process has the claim and must compute.

        `check` runs before each further attempt; what it raises ends the wait.
        """
        pause, has_waited = FIRST_POLL_SECONDS, False
        while not await self.cache.claim(key):
            has_waited = True
            if check:
                await check()
            await asyncio.sleep(pause)
            pause = min(MAX_POLL_SECONDS, pause * POLL_GROWTH)
        ours = False
        try:
            found = await self.cache.get(key)
            if found is None and has_waited:
                found = await self.cache.get(name_handover(key))
            ours = found is None
        finally:
            if not ours:
                self.run_in_background(self.cache.release(key))
        return found

    async def _renew_claim(self, key: str) -> None:
        while True:
            await asyncio.sleep(CLAIM_SECONDS / 3)
            await self.cache.renew(key)

    async def _land(self, key: str, flight: Flight, claimed: bool, seconds: int | None) -> None:
        if flight.result is not None and await self.cache.put(key, flight.result, seconds=seconds):
            self.count("stored")
        if claimed and flight.handover is not None:
            await self.cache.put(name_handover(key), flight.handover, seconds=HANDOVER_SECONDS)
        if claimed:
            await self.cache.release(key)


def name_handover(key: str) -> str:
    """Return the cache key of the result that is handed over to the processes that wait for `key`."""
    return f"handover:{key}"
