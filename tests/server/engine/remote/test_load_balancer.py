"""Which replica is asked, what is tried again, and what becomes of the sick: over real sockets."""

import asyncio
import contextlib
import itertools
import time

import pytest

from cogitate.server.engine.remote.load_balancer import RetryBudget
from cogitate.server.errors import Overloaded, Unready, Upstream
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.types import Sampling
from tests.fakes.upstream import FakeUpstream, Fault, Script
from tests.server.engine.remote.fakes import eventually, fakes, over, request, sample


def calls(replicas: list[FakeUpstream]) -> list[int]:
    return [fake.counters.calls for fake in replicas]


async def test_all_samples_of_a_conversation_go_to_one_replica_and_conversations_are_spread():
    async with fakes(Script(), Script(), Script()) as three, over(*three) as backend:
        homes = set()
        for number in range(24):
            asked = request(f"Question {number}?")
            conversation, before = await backend.converse(asked, asked.prompt), calls(three)
            for _ in range(3):
                await conversation.generate(asked.prompt, Sampling(max_tokens=5))
            (home,) = [at for at, (was, now) in enumerate(zip(before, calls(three), strict=True)) if now - was == 3]
            homes.add(home)
        assert homes == {0, 1, 2}


async def test_the_turns_of_a_chat_come_back_to_its_replica():
    first = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"}]
    later = [*first, {"role": "assistant", "content": "I."}, {"role": "user", "content": "Why?"}]
    async with fakes(Script(), Script(), Script()) as three, over(*three) as backend:
        for messages in (first, later):
            await sample(backend, request(messages=messages))
        assert sorted(calls(three)) == [0, 0, 2]


@pytest.mark.alone
async def test_a_home_that_carries_clearly_more_is_passed_over():
    async with fakes(Script(latency=0.3), Script(latency=0.3)) as two, over(*two) as backend:
        async with asyncio.TaskGroup() as group:
            for _ in range(40):
                group.create_task(sample(backend))
                await asyncio.sleep(0.001)
        assert sum(calls(two)) == 40 and min(calls(two)) >= 8


BROKEN_OFF: list[Fault] = ["reset", "malformed", "cut", "absurd_usage", "error_in_200", "hang_body"]


@pytest.mark.parametrize("fault", ["500", "reset_first", "hang", "redirect", "429", *BROKEN_OFF])
@pytest.mark.parametrize("partial", [False, True])
async def test_what_nobody_has_heard_is_tried_again_elsewhere(fault, partial):
    async with fakes(Script(fault=fault), Script()) as two, over(*two) as backend:
        for asked in itertools.count(1):
            assert (await sample(backend, request(f"{asked}"), partial=partial)).finish == "stop"
            sick, well = calls(two)
            if asked >= 8 and sick:  # which of them a question goes to first is chance: the ports are
                break
        assert well == asked and sick <= asked


@pytest.mark.parametrize("fault", BROKEN_OFF)
async def test_a_plain_answer_is_too_and_keeps_nothing_of_the_broken_one(fault):
    async with fakes(Script(fault=fault, texts=["broken"]), Script(texts=["well"])) as two, over(*two) as backend:
        told = [await backend.answer(request(f"{number}")) for number in range(20)]
        assert {answer["choices"][0]["message"]["content"] for answer in told} == {"well"} and min(calls(two)) > 0


@pytest.mark.parametrize("fault", ["reset", "cut"])
async def test_what_somebody_has_heard_is_not(fault):
    async with fakes(Script(fault=fault), Script(fault=fault)) as two, over(*two) as backend:
        with pytest.raises(SampleFailed):
            await sample(backend, on_text=lambda speech: None)
        with pytest.raises(Upstream):
            async for _ in await backend.answer(request(stream=True)):
                pass
        assert sum(calls(two)) == 2


async def test_at_most_three_replicas_are_tried():
    async with fakes(*(Script(fault="500") for _ in range(5))) as five, over(*five) as backend:
        with pytest.raises(SampleFailed):
            await sample(backend)
        assert sum(calls(five)) == 3


async def test_all_too_busy_is_told_as_that():
    async with fakes(Script(fault="429"), Script(fault="429")) as two, over(*two) as backend:
        with pytest.raises(Overloaded):
            await sample(backend)
        assert calls(two) == [1, 1]


def test_retries_are_a_tenth_of_the_calls_after_a_small_reserve():
    budget, spent = RetryBudget(), 0
    for _ in range(1000):
        budget.earn()
        spent += budget.spend()
    assert 100 <= spent <= 110
    for _ in range(1000):
        budget.earn()
    assert sum(budget.spend() for _ in range(100)) == 10, "quiet times save up no more than the reserve"


async def test_a_replica_that_keeps_failing_is_left_alone_and_taken_back_when_it_answers():
    async with fakes(Script(fault="500"), Script()) as two, over(*two) as backend:
        for number in range(60):
            await sample(backend, request(f"{number}"))
        assert two[0].counters.calls == 5, "five failures in a row, and no more calls"
        two[0].script.fault = "none"
        await eventually(lambda: not backend.replicas.all[0].health.ejected)
        for number in range(30):
            await sample(backend, request(f"{number}"))
        assert two[0].counters.calls > 5 and backend.replicas.all[0].health.failures == 0


async def test_a_replica_back_on_trial_is_ejected_by_its_next_failure_and_probed_less_often():
    async with fakes(Script(fault="500"), Script()) as two, over(*two) as backend:
        health = backend.replicas.all[0].health
        for number in range(60):
            await sample(backend, request(f"{number}"))
        await eventually(lambda: not health.ejected)
        for number in range(60):
            await sample(backend, request(f"{number}"))
        assert two[0].counters.calls == 6 and health.ejected and health.pause == 4.0


async def test_a_replica_on_trial_has_one_call_at_a_time():
    async with fakes(Script(fault="500"), Script()) as two, over(*two) as backend:
        sick, health = two[0], backend.replicas.all[0].health
        for number in range(60):
            await sample(backend, request(f"{number}"))
        await eventually(lambda: health.trial)
        sick.script.fault, before = "hang", sick.counters.calls
        async with asyncio.TaskGroup() as group:
            for number in range(30):
                group.create_task(sample(backend, request(f"{number}")))
        assert sick.counters.calls == before + 1


async def test_a_refused_connection_ejects_at_once_and_a_restart_is_noticed():
    async with fakes(Script(), Script()) as two, over(*two) as backend:
        await two[0].stop()
        for number in range(20):
            assert (await sample(backend, request(f"{number}"))).finish == "stop"
        assert backend.replicas.all[0].health.ejected
        await two[0].start()
        await eventually(lambda: not backend.replicas.all[0].health.ejected)


async def test_a_dead_replicas_conversations_move_and_the_others_stay():
    async with fakes(Script(), Script(), Script()) as three, over(*three) as backend:
        asked = [request(f"Question {number}?") for number in range(12)]
        conversations = [await backend.converse(each, each.prompt) for each in asked]
        homes = [conversation.home.replica for conversation in conversations]
        await three[0].stop()
        for each, conversation in zip(asked, conversations, strict=True):
            await conversation.generate(each.prompt, Sampling(max_tokens=5))
        again = [(await backend.converse(each, each.prompt)).home.replica for each in asked]
        dead = backend.replicas.all[0]
        assert dead in homes and dead not in again
        assert all(now is was for now, was in zip(again, homes, strict=True) if was is not dead)


async def test_when_all_are_down_requests_are_refused_at_once():
    async with fakes(Script(), Script()) as two, over(*two) as backend:
        for fake in two:
            await fake.stop()
        began = time.monotonic()
        for _ in range(5):
            with pytest.raises(Unready) as refused:
                await sample(backend)
            assert (refused.value.status, refused.value.code) == (503, "upstream_down")
        assert time.monotonic() - began < 1
        with pytest.raises(Unready):
            await backend.answer(request())


async def test_the_last_replica_that_answers_is_not_given_up_for_its_answers():
    """Or one client's poisoned request would end the service for all."""
    async with fakes(Script(fault="500")) as (only,), over(only) as backend:
        for _ in range(8):
            with pytest.raises(SampleFailed):
                await sample(backend)
        only.script.fault = "none"
        assert (await sample(backend)).finish == "stop"


async def test_the_last_replica_that_falls_silent_is():
    async with fakes(Script(fault="hang")) as (only,), over(only) as backend:
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(lost(sample(backend)))
        began = time.monotonic()
        with pytest.raises(Unready):
            await sample(backend)
        assert time.monotonic() - began < 0.1


async def lost(work) -> None:
    with contextlib.suppress(SampleFailed):
        await work


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["500", "429", "hang", "reset_first", "redirect"])
async def test_one_sick_replica_of_three_is_not_noticed(fault):
    """For four seconds, sixty requests a second."""
    failed, asked = 0, 240
    async with fakes(Script(fault=fault), Script(), Script()) as three, over(*three) as backend:

        async def one(number: int) -> None:
            nonlocal failed
            try:
                await sample(backend, request(f"{number}"))
            except SampleFailed:
                failed += 1

        async with asyncio.TaskGroup() as group:
            for number in range(asked):
                group.create_task(one(number))
                await asyncio.sleep(1 / 60)
        assert failed == 0 and sum(calls(three)) <= 1.1 * asked
