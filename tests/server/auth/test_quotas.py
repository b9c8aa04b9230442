"""Limits of a key that count over time or over all of its requests: exact, given back, and read again."""

import asyncio

import pytest

from cogitate.server.auth.caller import Caller
from cogitate.server.auth.key_limits import KeyLimits
from cogitate.server.auth.quotas import Quotas
from cogitate.server.cache import LocalCounters
from cogitate.server.errors import Overloaded


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def quotas(clock=None):
    clock = clock or Clock()
    return Quotas(LocalCounters(clock), clock)


def caller(*words):
    return Caller("acme", "0123abcd", "r", KeyLimits.parse(words))


async def count(each, limit):
    return (await each.read("0123abcd"))[limit].value


async def test_requests_beyond_the_limit_are_refused_until_the_minute_ends():
    clock = Clock()
    each = quotas(clock)
    for _ in range(3):
        headers = dict(await each.take_request("k", 3))
    assert headers == {
        b"x-ratelimit-limit-requests": b"3",
        b"x-ratelimit-remaining-requests": b"0",
        b"x-ratelimit-reset-requests": b"60.0s",
    }
    clock.now += 20.5
    with pytest.raises(Overloaded) as refused:
        await each.take_request("k", 3)
    assert refused.value.headers == {"Retry-After": "40"} and refused.value.reason == "key_requests"
    await each.take_request("other", 3)
    clock.now += 40
    await each.take_request("k", 3)


@pytest.mark.parametrize("limit", ["tokens_per_minute", "tokens_per_day"])
async def test_tokens_are_taken_before_and_given_back_after(limit):
    each, asking = quotas(), caller(f"{limit}=100")
    first = await each.admit(asking, 60, 1)
    with pytest.raises(Overloaded) as refused:
        await each.admit(asking, 41, 1)
    assert refused.value.reason == "key_tokens"
    assert f"More than 100 tokens a {limit.removeprefix('tokens_per_')}" in refused.value.message
    assert await count(each, limit) == 60
    await each.settle(first, 10)
    assert await count(each, limit) == 10
    await each.admit(asking, 90, 1)


async def test_refusal_by_the_day_takes_nothing_from_the_minute():
    each = quotas()
    with pytest.raises(Overloaded, match="tokens a day"):
        await each.admit(caller("tokens_per_minute=100", "tokens_per_day=50"), 60, 1)
    assert await count(each, "tokens_per_minute") == 0 == await count(each, "tokens_per_day")


async def test_what_is_given_back_after_the_minute_does_not_count_for_the_next():
    clock = Clock()
    each, asking = quotas(clock), caller("tokens_per_minute=100")
    first = await each.admit(asking, 100, 1)
    clock.now += 61
    await each.admit(asking, 30, 1)
    await each.settle(first, 5)
    assert await count(each, "tokens_per_minute") == 30


async def test_unknown_use_counts_as_what_the_request_could_cost():
    each, asking = quotas(), caller("tokens_per_minute=100")
    await each.settle(await each.admit(asking, 70, 1), None)
    assert await count(each, "tokens_per_minute") == 70 == await count(each, "tokens_per_day")


async def test_tokens_of_a_key_without_limits_are_counted():
    each = quotas()
    await each.settle(await each.admit(caller(), 1000, 4), 12)
    assert await count(each, "tokens_per_minute") == 12 == await count(each, "tokens_per_day")


async def test_generations_are_limited_together_and_given_back():
    each, asking = quotas(), caller("generations=8")
    admitted = [await each.admit(asking, 1, 3) for _ in range(2)]
    with pytest.raises(Overloaded, match="8 generations in flight, and this request wants 3 more") as refused:
        await each.admit(asking, 1, 3)
    assert refused.value.reason == "key_generations" and each.generations == {"0123abcd": 6}
    await each.admit(asking, 1, 2)
    for admission in admitted:
        each.release(admission)
        await each.settle(admission, 0)
    assert each.generations == {"0123abcd": 2}


async def test_refusal_by_generations_gives_the_tokens_back():
    each, asking = quotas(), caller("generations=1", "tokens_per_minute=100")
    await each.admit(asking, 10, 1)
    with pytest.raises(Overloaded, match="generations"):
        await each.admit(asking, 20, 1)
    assert await count(each, "tokens_per_minute") == 10


async def test_simultaneous_requests_never_exceed_a_limit():
    each, asking = quotas(), caller("generations=40", "tokens_per_minute=1000")
    tasks = [asyncio.create_task(each.admit(asking, 100, 3)) for _ in range(50)]
    await asyncio.wait(tasks)
    assert sum(task.exception() is None for task in tasks) == 10 and each.generations == {"0123abcd": 30}


def test_one_request_may_cost_no_more_than_any_of_the_limits():
    assert KeyLimits().cost is None
    assert KeyLimits.parse(["max_cost=500", "tokens_per_minute=300", "tokens_per_day=900"]).cost == 300
    assert KeyLimits.parse(["tokens_per_day=900"]).cost == 900
