"""Bounded concurrency."""

import asyncio

import pytest

from cogitate.strategies.core.concurrency import WidthLimiter, for_each, run_all


async def test_width_is_computed_again_at_each_release():
    width, entered, busy = 4, 0, False
    limiter = WidthLimiter(lambda *, under_load: width // 2 if under_load else width, lambda: busy)

    async def enter() -> None:
        nonlocal entered
        await limiter.acquire()
        entered += 1

    async def release() -> int:
        limiter.release()
        await asyncio.sleep(0)
        return entered

    async with asyncio.TaskGroup() as crowd:
        for _ in range(12):
            crowd.create_task(enter())
        await asyncio.sleep(0)
        assert entered == 4
        assert await release() == 5, "each release admits one"
        busy = True
        assert [await release() for _ in range(3)] == [5, 5, 6], "none is admitted until fewer than two run"
        width, busy = 5, False
        assert await release() == 10
        width = 8
        assert await release() == 12


async def test_fixed_width_never_exceeds_its_limit():
    limiter = WidthLimiter(2, lambda: True)
    assert limiter.open == 2
    await limiter.acquire()
    await limiter.acquire()
    limiter.release()
    assert limiter.open == 2


async def test_for_each_runs_in_order_within_its_limit():
    running, peak, started = 0, 0, []

    async def do(item: int) -> None:
        nonlocal running, peak
        started.append(item)
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0.001)
        running -= 1

    await for_each(range(7), 3, do)
    assert (started, peak, running) == ([*range(7)], 3, 0)


async def test_for_each_raises_the_first_failure_itself_and_cancels_the_rest():
    cancelled = []

    async def do(item: int) -> None:
        if item == 1:
            raise KeyError(item)
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            cancelled.append(item)
            raise

    with pytest.raises(KeyError):
        await for_each([0, 1, 2], 2, do)
    assert cancelled == [0]


async def test_run_all_returns_results_in_order():
    async def value(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    assert await run_all([value(0.002), value(0.001), value(0)]) == [0.002, 0.001, 0]
