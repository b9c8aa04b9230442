"""The watchdog reports an engine that has work and decodes no token, and no other."""

import asyncio
import itertools
import time

import pytest

from cogitate.server.engine.watchdog import CHECKS_PER_STALL, STALLS_BEFORE_FAILURE, Watchdog

STALL_SECONDS = 0.05


async def fails_within(watchdog: Watchdog, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            assert "no token" in await watchdog.wait_for_failure()
    except TimeoutError:
        return False
    return True


async def test_an_engine_without_progress_is_stalled_and_later_fails():
    watchdog = Watchdog(lambda: "the same", STALL_SECONDS)
    task = asyncio.ensure_future(watchdog.wait_for_failure())
    await asyncio.sleep(STALL_SECONDS * 0.5)
    assert not watchdog.stalled
    async with asyncio.timeout(5):
        while not watchdog.stalled:  # noqa: ASYNC110 a flag without an event
            await asyncio.sleep(0.001)
        assert not task.done()
        assert f"{STALLS_BEFORE_FAILURE * STALL_SECONDS:g} s" in await task


@pytest.mark.parametrize("idle", [True, False])
async def test_an_idle_or_a_working_engine_is_not_stalled(idle):
    counter = itertools.count()
    watchdog = Watchdog(lambda: None if idle else next(counter), STALL_SECONDS)
    assert not await fails_within(watchdog, STALL_SECONDS * STALLS_BEFORE_FAILURE * 2) and not watchdog.stalled


async def test_a_stalled_engine_that_decodes_again_is_no_longer_stalled():
    checks = itertools.count()
    watchdog = Watchdog(lambda: min(next(checks) // (CHECKS_PER_STALL + 5), 1), STALL_SECONDS)
    states = []
    task = asyncio.ensure_future(watchdog.wait_for_failure())
    for _ in range(60):
        await asyncio.sleep(STALL_SECONDS / CHECKS_PER_STALL / 2)
        states.append(watchdog.stalled)
    task.cancel()
    assert [state for state, _ in itertools.groupby(states)][:3] == [False, True, False]


async def test_a_suspended_machine_does_not_wake_to_a_stall():
    """One check after a long pause counts once."""
    watchdog = Watchdog(lambda: "the same", STALL_SECONDS)
    task = asyncio.ensure_future(watchdog.wait_for_failure())
    await asyncio.sleep(STALL_SECONDS / CHECKS_PER_STALL * 2)
    time.sleep(STALL_SECONDS * STALLS_BEFORE_FAILURE * 2)  # noqa: ASYNC251 blocks the event loop on purpose
    await asyncio.sleep(0)
    assert not task.done() and not watchdog.stalled
    task.cancel()
