"""Timer calls back once, at the end of the current wait, whatever waits there were before."""

import asyncio
import time

from cogitate.server.engine.remote.connection import Timer


async def test_timer_fires_after_the_timeout():
    fired = asyncio.Event()
    timer, began = Timer(fired.set), time.monotonic()
    timer.start(0.05)
    await fired.wait()
    assert 0.04 < time.monotonic() - began < 1


async def test_stopped_or_closed_timer_does_not_fire():
    calls: list[float] = []
    timer = Timer(lambda: calls.append(time.monotonic()))
    timer.start(0.02)
    timer.stop()
    await asyncio.sleep(0.05)
    assert not calls
    timer.start(0.02)
    timer.close()
    await asyncio.sleep(0.05)
    assert not calls


async def test_restarted_timer_fires_at_the_new_deadline():
    """A longer wait ends later although the callback of the first one is scheduled; a shorter one ends sooner."""
    fired, began = asyncio.Event(), time.monotonic()
    timer = Timer(fired.set)
    timer.start(0.02)
    timer.start(0.4)
    await asyncio.sleep(0.1)
    assert not fired.is_set(), "the first deadline was replaced"
    await fired.wait()
    assert time.monotonic() - began >= 0.4
    fired.clear()
    timer.start(60)
    timer.stop()
    timer.start(0.01)
    await asyncio.wait_for(fired.wait(), 10)
