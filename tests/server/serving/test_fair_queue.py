"""The fair queue: turns of tenants and requests, admission, and cancellations."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cogitate.server.errors import Overloaded
from cogitate.server.serving.fair_queue import Slots


async def work(slots, tenant, request, done, seconds=0.0):
    async with slots.slot(tenant, request):
        assert slots.busy <= slots.capacity
        await asyncio.sleep(seconds)
        done.append((tenant, request))


async def test_no_more_generations_run_than_the_capacity():
    slots, done = Slots(3, 100), []
    tasks = [asyncio.create_task(work(slots, "t", str(at), done, 0.001)) for at in range(20)]
    await asyncio.sleep(0)
    assert (slots.busy, slots.waiting, slots.has_waiters) == (3, 17, True)
    await asyncio.wait(tasks)
    assert len(done) == 20 and (slots.busy, slots.waiting, slots.has_waiters) == (0, 0, False)


async def test_a_wide_request_delays_a_plain_chat_by_one_generation():
    slots, done = Slots(1, 1000), []
    flood = [asyncio.create_task(work(slots, "a", "wide", done)) for _ in range(256)]
    await asyncio.sleep(0)
    chat = asyncio.create_task(work(slots, "a", "chat", done))
    neighbour = asyncio.create_task(work(slots, "b", "chat", done))
    await asyncio.wait([chat, neighbour])
    assert done.index(("b", "chat")) <= 4 and done.index(("a", "chat")) <= 6
    await asyncio.wait(flood)


async def test_tenants_take_turns_however_many_requests_each_has():
    slots, done = Slots(1, 1000), []
    async with slots.slot("c", "first"):
        tasks = [asyncio.create_task(work(slots, "a", str(at), done)) for at in range(50)]
        tasks += [asyncio.create_task(work(slots, "b", "only", done)) for _ in range(50)]
        await asyncio.sleep(0)
    await asyncio.wait(tasks)
    first = [tenant for tenant, _ in done[:20]]
    assert first.count("a") == first.count("b") == 10


async def test_a_cancelled_waiter_leaves_the_queue():
    slots, done = Slots(1, 100), []
    async with slots.slot("a", "first"):
        waiting = [asyncio.create_task(work(slots, "a", "x", done)) for _ in range(5)]
        await asyncio.sleep(0)
        for task in waiting[1:]:
            task.cancel()
        await asyncio.sleep(0)
        assert slots.waiting == 1
    await waiting[0]
    assert (slots.busy, slots.waiting, len(done)) == (0, 0, 1)


async def test_a_slot_granted_to_a_cancelled_waiter_goes_to_the_next():
    slots, done = Slots(1, 100), []
    async with slots.slot("a", "first"):
        leaver = asyncio.create_task(work(slots, "a", "leaver", done))
        stayer = asyncio.create_task(work(slots, "b", "stayer", done))
        await asyncio.sleep(0)
    leaver.cancel()
    await asyncio.wait([leaver, stayer])
    assert done == [("b", "stayer")] and slots.busy == 0


def test_admission_is_bounded_in_generations():
    slots = Slots(4, 8)
    slots.admit(10)
    with pytest.raises(Overloaded) as refused:
        slots.admit(3)
    assert int(refused.value.headers["Retry-After"]) >= 1
    slots.admit(2)
    slots.leave(10)
    slots.admit(9)


def test_a_request_wider_than_the_queue_is_admitted_when_alone():
    slots = Slots(4, 0)
    slots.admit(256)
    with pytest.raises(Overloaded):
        slots.admit(1)
    slots.leave(256)
    slots.admit(1)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 3), st.booleans()), max_size=40),
    st.integers(1, 4),
)
def test_every_slot_is_returned_whatever_is_cancelled(visits, capacity):
    async def main():
        slots, done = Slots(capacity, 1000), []
        tasks = []
        for tenant, request, pause, leaves in visits:
            tasks.append(asyncio.create_task(work(slots, tenant, request, done, pause * 0.0005)))
            await asyncio.sleep(0)
            if leaves:
                tasks[-1].cancel()
        if tasks:
            await asyncio.wait(tasks)
        assert (slots.busy, slots.waiting) == (0, 0)
        assert len(done) == sum(not task.cancelled() for task in tasks)

    asyncio.run(main())
