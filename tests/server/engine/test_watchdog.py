"""A stalled engine is noticed; one that works, or has nothing to do, is left alone."""

import asyncio
import itertools
import time

import pytest

from cogitate.server.engine.watchdog import GRACE, LOOKS, Watch

SECONDS = 0.05


async def ends(watch: Watch, within: float) -> bool:
    try:
        async with asyncio.timeout(within):
            assert "no token" in await watch.failed()
    except TimeoutError:
        return False
    return True


async def test_an_engine_that_stands_still_is_stalled_and_then_given_up():
    watch = Watch(lambda: "the same", SECONDS)
    task = asyncio.ensure_future(watch.failed())
    await asyncio.sleep(SECONDS * 0.5)
    assert not watch.stalled
    async with asyncio.timeout(5):
        while not watch.stalled:  # noqa: ASYNC110 a flag without an event
            await asyncio.sleep(0.001)
        assert not task.done()
        assert f"{GRACE * SECONDS:g} s" in await task


@pytest.mark.parametrize("idle", [True, False])
async def test_an_engine_that_is_idle_or_at_work_is_not(idle):
    turns = itertools.count()
    watch = Watch(lambda: None if idle else next(turns), SECONDS)
    assert not await ends(watch, SECONDS * GRACE * 2) and not watch.stalled


async def test_an_engine_that_moves_again_is_well_again():
    looks, watch = itertools.count(), Watch(lambda: min(next(looks) // (LOOKS + 5), 1), SECONDS)
    seen = []
    task = asyncio.ensure_future(watch.failed())
    for _ in range(60):
        await asyncio.sleep(SECONDS / LOOKS / 2)
        seen.append(watch.stalled)
    task.cancel()
    assert [state for state, _ in itertools.groupby(seen)][:3] == [False, True, False]


async def test_a_machine_that_was_asleep_wakes_to_no_stall():
    """One look after a long pause counts as one."""
    watch = Watch(lambda: "the same", SECONDS)
    task = asyncio.ensure_future(watch.failed())
    await asyncio.sleep(SECONDS / LOOKS * 2)
    time.sleep(SECONDS * GRACE * 2)  # noqa: ASYNC251 the whole loop stands still
    await asyncio.sleep(0)
    assert not task.done() and not watch.stalled
    task.cancel()
