import asyncio

import pytest

from cogitate.strategies.core.interrupt import Interrupt, Interrupted


async def end_after(interrupt, reason, seconds=0.01):
    await asyncio.sleep(seconds)
    interrupt.request(reason)


@pytest.mark.parametrize("reason", ["asked", "draining"])
async def test_a_request_ends_the_block_at_once(reason):
    interrupt = Interrupt()
    ending = asyncio.create_task(end_after(interrupt, reason))
    with pytest.raises(Interrupted):
        async with asyncio.timeout(5), interrupt.watch(None):
            await asyncio.sleep(9)
    assert interrupt.reason == reason and ending.done()


async def test_a_request_before_the_block_ends_it_at_its_first_wait():
    interrupt = Interrupt()
    interrupt.request("asked")
    with pytest.raises(Interrupted):
        async with interrupt.watch(None):
            await asyncio.sleep(9)


async def test_the_deadline_ends_the_block_and_is_the_reason():
    interrupt = Interrupt()
    with pytest.raises(Interrupted):
        async with interrupt.watch(asyncio.get_running_loop().time() + 0.01):
            await asyncio.sleep(9)
    interrupt.request("asked")
    assert interrupt.reason == "deadline"


async def test_a_timeout_error_of_the_block_is_its_own():
    with pytest.raises(TimeoutError, match="the engine's"):
        async with Interrupt().watch(asyncio.get_running_loop().time() + 5):
            raise TimeoutError("the engine's")


async def test_asking_waits_until_there_is_an_answer():
    interrupt, answers = Interrupt(), list[str]()
    with pytest.raises(Interrupted):
        async with interrupt.watch(None, lambda: bool(answers)):
            interrupt.request("asked")
            interrupt.check()
            await asyncio.sleep(0.01)
            answers.append("42")
            interrupt.check()
            await asyncio.sleep(9)
    assert answers == ["42"]


async def test_a_deadline_that_comes_before_the_answer_is_the_reason():
    interrupt = Interrupt()
    interrupt.request("asked")
    with pytest.raises(Interrupted):
        async with interrupt.watch(asyncio.get_running_loop().time() + 0.01, lambda: False):
            await asyncio.sleep(9)
    assert interrupt.reason == "deadline"


async def test_draining_does_not_wait_for_an_answer():
    interrupt = Interrupt()
    interrupt.request("asked")
    with pytest.raises(Interrupted):
        async with interrupt.watch(None, lambda: False):
            interrupt.request("draining")
            await asyncio.sleep(9)
    assert interrupt.reason == "draining"


async def test_one_request_ends_one_block_and_draining_the_next():
    interrupt = Interrupt()
    for _ in range(3):
        interrupt.request("asked")
    with pytest.raises(Interrupted):
        async with interrupt.watch(None):
            await asyncio.sleep(9)
    async with interrupt.watch(None):
        interrupt.request("asked")
        await asyncio.sleep(0.01)
    with pytest.raises(Interrupted):
        async with interrupt.watch(None):
            interrupt.request("draining")
            interrupt.request("asked")
            await asyncio.sleep(9)
    assert interrupt.reason == "draining"


async def test_a_block_that_is_cancelled_while_it_ends_is_cancelled():
    interrupt = Interrupt()

    async def search():
        async with interrupt.watch(None):
            await asyncio.sleep(9)

    task = asyncio.create_task(search())
    await asyncio.sleep(0.01)
    interrupt.request("asked")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
