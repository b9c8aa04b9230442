"""The event loop in virtual time."""

import asyncio
import threading
import time

from cogitate.server.evaluation import virtual_time


def test_sleeping_takes_virtual_time_only():
    async def sleep() -> float:
        await asyncio.sleep(1_000_000)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert virtual_time.run(sleep()) == 1_000_000
    assert time.monotonic() - began < 10


def test_paused_clock_stands_still_during_real_waiting():
    async def work() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        sleeper = asyncio.ensure_future(asyncio.sleep(1000))
        done = loop.create_future()
        with virtual_time.pause_clock():
            threading.Timer(0.02, loop.call_soon_threadsafe, (done.set_result, None)).start()
            await done
        paused = loop.time()
        await sleeper
        return paused, loop.time()

    assert virtual_time.run(work()) == (0, 1000)


def test_clock_stands_still_while_a_thread_works_for_the_loop():
    """Long texts are parsed in a thread: its real duration must not decide which sample finishes first."""

    async def work() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        sleeper = asyncio.ensure_future(asyncio.sleep(1000))
        await loop.run_in_executor(None, time.sleep, 0.02)
        worked = loop.time()
        await sleeper
        return worked, loop.time()

    assert virtual_time.run(work()) == (0, 1000)
