"""Who may begin, and when."""

import asyncio

from cogitate.strategies.core.concurrency import Lanes


async def test_the_width_is_asked_again_whenever_a_lane_is_freed():
    width, entered, busy = 4, 0, False
    lanes = Lanes(lambda *, pressed: width // 2 if pressed else width, lambda: busy)

    async def enter() -> None:
        nonlocal entered
        await lanes.enter()
        entered += 1

    async def freed() -> int:
        lanes.free()
        await asyncio.sleep(0)
        return entered

    async with asyncio.TaskGroup() as crowd:
        for _ in range(12):
            crowd.create_task(enter())
        await asyncio.sleep(0)
        assert entered == 4
        assert await freed() == 5, "one out, one in"
        busy = True
        assert [await freed() for _ in range(3)] == [5, 5, 6], "no new one until fewer than two are in"
        width, busy = 5, False
        assert await freed() == 10
        width = 8
        assert await freed() == 12


async def test_a_fixed_width():
    lanes = Lanes(2, lambda: True)
    assert lanes.open == 2
    await lanes.enter()
    await lanes.enter()
    lanes.free()
    assert lanes.open == 2
