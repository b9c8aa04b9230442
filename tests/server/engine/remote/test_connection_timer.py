"""A bell rings once, at the end of the wait that is on, whatever waits there were before."""

import asyncio
import time

from cogitate.server.engine.remote.bell import Bell


async def test_it_rings_at_the_end_of_the_wait():
    rung = asyncio.Event()
    bell, began = Bell(rung.set), time.monotonic()
    bell.set(0.05)
    await rung.wait()
    assert 0.04 < time.monotonic() - began < 1


async def test_one_that_is_stilled_does_not_ring():
    rings: list[float] = []
    bell = Bell(lambda: rings.append(time.monotonic()))
    bell.set(0.02)
    bell.still()
    await asyncio.sleep(0.05)
    assert not rings
    bell.set(0.02)
    bell.end()
    await asyncio.sleep(0.05)
    assert not rings


async def test_each_wait_has_its_own_end():
    """A later wait ends later, though the timer of the first one runs; a shorter one ends sooner."""
    rung, began = asyncio.Event(), time.monotonic()
    bell = Bell(rung.set)
    bell.set(0.02)
    bell.set(0.4)
    await asyncio.sleep(0.1)
    assert not rung.is_set(), "the end of the first wait"
    await rung.wait()
    assert time.monotonic() - began >= 0.4
    rung.clear()
    bell.set(60)
    bell.still()
    bell.set(0.01)
    await asyncio.wait_for(rung.wait(), 10)
