"""Replica selection, retries and ejection, over real sockets."""

import asyncio
import contextlib
import itertools
import time

import pytest

from cogitate.server.engine.remote.load_balancer import RetryBudget
from cogitate.server.errors import NotReady, Overloaded, UpstreamError
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.types import Sampling
from tests.fakes.upstream import FakeUpstream, Fault, Script
from tests.server.engine.remote.fakes import eventually, open_backend, request, sample, start_upstreams


def call_counts(replicas: list[FakeUpstream]) -> list[int]:
    return [fake.counters.calls for fake in replicas]


async def test_conversations_spread_over_replicas_but_their_samples_do_not():
    async with start_upstreams(Script(), Script(), Script()) as three, open_backend(*three) as backend:
        replicas = set()
        for number in range(24):
            chat = request(f"Question {number}?")
            conversation, before = await backend.converse(chat, chat.prompt), call_counts(three)
            for _ in range(3):
                await conversation.generate(chat.prompt, Sampling(max_tokens=5))
            (index,) = [
                at for at, (was, now) in enumerate(zip(before, call_counts(three), strict=True)) if now - was == 3
            ]
            replicas.add(index)
        assert replicas == {0, 1, 2}


async def test_later_turns_of_a_chat_go_to_the_same_replica():
    first = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"}]
    later = [*first, {"role": "assistant", "content": "I."}, {"role": "user", "content": "Why?"}]
    async with start_upstreams(Script(), Script(), Script()) as three, open_backend(*three) as backend:
        for messages in (first, later):
            await sample(backend, request(messages=messages))
        assert sorted(call_counts(three)) == [0, 0, 2]


@pytest.mark.alone
async def test_overloaded_replica_loses_its_affinity():
    async with start_upstreams(Script(latency=0.3), Script(latency=0.3)) as two, open_backend(*two) as backend:
        async with asyncio.TaskGroup() as group:
            for _ in range(40):
                group.create_task(sample(backend))
                await asyncio.sleep(0.001)
        assert sum(call_counts(two)) == 40 and min(call_counts(two)) >= 8


INCOMPLETE: list[Fault] = ["reset", "malformed", "cut", "error_in_200", "hang_body"]


@pytest.mark.parametrize("fault", ["500", "reset_first", "hang", "redirect", "429", *INCOMPLETE])
@pytest.mark.parametrize("partial", [False, True])
async def test_failed_sample_is_retried_on_another_replica(fault, partial):
    async with start_upstreams(Script(fault=fault), Script()) as two, open_backend(*two) as backend:
        for count in itertools.count(1):
            assert (await sample(backend, request(f"{count}"), reads_partial=partial)).finish == "stop"
            sick, well = call_counts(two)
            if count >= 8 and sick:  # the ports decide which replica gets a question first
                break
        assert well == count and sick <= count


@pytest.mark.parametrize("fault", INCOMPLETE)
async def test_failed_forwarded_request_is_retried_from_the_beginning(fault):
    async with (
        start_upstreams(Script(fault=fault, texts=["broken"]), Script(texts=["well"])) as two,
        open_backend(*two) as backend,
    ):
        bodies = [await backend.answer(request(f"{number}")) for number in range(20)]
        assert {body["choices"][0]["message"]["content"] for body in bodies} == {"well"}
        assert min(call_counts(two)) > 0


@pytest.mark.parametrize("fault", ["reset", "cut"])
async def test_no_retry_after_text_was_passed_on(fault):
    async with start_upstreams(Script(fault=fault), Script(fault=fault)) as two, open_backend(*two) as backend:
        with pytest.raises(SampleFailed):
            await sample(backend, on_text=lambda delta: None)
        with pytest.raises(UpstreamError):
            async for _ in await backend.answer(request(stream=True)):
                pass
        assert sum(call_counts(two)) == 2


async def test_call_makes_at_most_three_attempts():
    async with start_upstreams(*(Script(fault="500") for _ in range(5))) as five, open_backend(*five) as backend:
        with pytest.raises(SampleFailed):
            await sample(backend)
        assert sum(call_counts(five)) == 3


async def test_429_from_every_replica_is_a_429():
    async with start_upstreams(Script(fault="429"), Script(fault="429")) as two, open_backend(*two) as backend:
        with pytest.raises(Overloaded):
            await sample(backend)
        assert call_counts(two) == [1, 1]


def test_retry_budget_is_a_tenth_of_the_calls_after_a_small_reserve():
    budget, spent = RetryBudget(), 0
    for _ in range(1000):
        budget.earn()
        spent += budget.spend()
    assert 100 <= spent <= 110
    for _ in range(1000):
        budget.earn()
    assert sum(budget.spend() for _ in range(100)) == 10, "the balance is limited to the reserve"


async def test_failing_replica_is_ejected_and_restored_when_it_responds():
    async with start_upstreams(Script(fault="500"), Script()) as two, open_backend(*two) as backend:
        for number in range(60):
            await sample(backend, request(f"{number}"))
        assert two[0].counters.calls == 5, "no calls after five consecutive failures"
        two[0].script.fault = "none"
        await eventually(lambda: not backend.balancer.replicas[0].health.ejected)
        for number in range(30):
            await sample(backend, request(f"{number}"))
        assert two[0].counters.calls > 5 and backend.balancer.replicas[0].health.consecutive_failures == 0


async def test_failure_on_trial_ejects_again_with_a_longer_probe_delay():
    async with start_upstreams(Script(fault="500"), Script()) as two, open_backend(*two) as backend:
        health = backend.balancer.replicas[0].health
        for number in range(60):
            await sample(backend, request(f"{number}"))
        await eventually(lambda: not health.ejected)
        for number in range(60):
            await sample(backend, request(f"{number}"))
        assert two[0].counters.calls == 6 and health.ejected and health.probe_delay == 4.0


async def test_replica_on_trial_gets_one_call_at_a_time():
    async with start_upstreams(Script(fault="500"), Script()) as two, open_backend(*two) as backend:
        sick, health = two[0], backend.balancer.replicas[0].health
        for number in range(60):
            await sample(backend, request(f"{number}"))
        await eventually(lambda: health.on_trial)
        sick.script.fault, before = "hang", sick.counters.calls
        async with asyncio.TaskGroup() as group:
            for number in range(30):
                group.create_task(sample(backend, request(f"{number}")))
        assert sick.counters.calls == before + 1


async def test_refused_connection_ejects_until_the_replica_restarts():
    async with start_upstreams(Script(), Script()) as two, open_backend(*two) as backend:
        await two[0].stop()
        for number in range(20):
            assert (await sample(backend, request(f"{number}"))).finish == "stop"
        assert backend.balancer.replicas[0].health.ejected
        await two[0].start()
        await eventually(lambda: not backend.balancer.replicas[0].health.ejected)


async def test_only_conversations_of_a_dead_replica_move():
    async with start_upstreams(Script(), Script(), Script()) as three, open_backend(*three) as backend:
        requests = [request(f"Question {number}?") for number in range(12)]
        conversations = [await backend.converse(each, each.prompt) for each in requests]
        replicas = [conversation.affinity.replica for conversation in conversations]
        dead = replicas[0]
        await three[backend.balancer.replicas.index(dead)].stop()
        for each, conversation in zip(requests, conversations, strict=True):
            await conversation.generate(each.prompt, Sampling(max_tokens=5))
        later = [(await backend.converse(each, each.prompt)).affinity.replica for each in requests]
        assert dead not in later
        assert all(now is was for now, was in zip(later, replicas, strict=True) if was is not dead)


async def test_requests_fail_at_once_when_every_replica_is_down():
    async with start_upstreams(Script(), Script()) as two, open_backend(*two) as backend:
        for fake in two:
            await fake.stop()
        began = time.monotonic()
        for _ in range(5):
            with pytest.raises(NotReady) as refused:
                await sample(backend)
            assert (refused.value.status, refused.value.code) == (503, "upstream_down")
        assert time.monotonic() - began < 1
        with pytest.raises(NotReady):
            await backend.answer(request())


async def test_last_replica_that_responds_with_errors_stays_in_use():
    """Otherwise one client's requests could end the service for everyone."""
    async with start_upstreams(Script(fault="500")) as (only,), open_backend(only) as backend:
        for _ in range(8):
            with pytest.raises(SampleFailed):
                await sample(backend)
        only.script.fault = "none"
        assert (await sample(backend)).finish == "stop"


async def test_last_replica_that_does_not_respond_leaves_use():
    async with start_upstreams(Script(fault="hang")) as (only,), open_backend(only) as backend:
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(ignore_failure(sample(backend)))
        began = time.monotonic()
        with pytest.raises(NotReady):
            await sample(backend)
        assert time.monotonic() - began < 0.1


async def ignore_failure(work) -> None:
    with contextlib.suppress(SampleFailed):
        await work


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["500", "429", "hang", "reset_first", "redirect"])
async def test_one_failing_replica_of_three_causes_no_failed_request(fault):
    """Sixty requests per second for four seconds."""
    failed, count = 0, 240
    async with start_upstreams(Script(fault=fault), Script(), Script()) as three, open_backend(*three) as backend:

        async def remote_backend(number: int) -> None:
            nonlocal failed
            try:
                await sample(backend, request(f"{number}"))
            except SampleFailed:
                failed += 1

        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(remote_backend(number))
                await asyncio.sleep(1 / 60)
        assert failed == 0 and sum(call_counts(three)) <= 1.1 * count
