"""Bounded concurrency."""

import asyncio

from cogitate.strategies.core.concurrency import WidthLimiter


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
        assert await release() == 5, "one out, one in"
        busy = True
        assert [await release() for _ in range(3)] == [5, 5, 6], "no new one until fewer than two are in"
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
