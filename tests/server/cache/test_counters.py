"""Counters in a real Redis, shared by processes, and in this process where Redis is down."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from cogitate.server.cache import LocalCounters, open_counters
from cogitate.server.cache.counters import AT, RedisCounters, parse_shares
from cogitate.server.cache.redis_client import PREFIX
from tests.fakes.redis_cache import PATIENT_SECONDS

if TYPE_CHECKING:
    from tests.fakes.redis_server import RedisServer

pytest_plugins = ["tests.fakes.redis_server"]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def processes(url, count=2, *, faults=None, clock=None):
    """Counters as so many processes have them."""
    async with AsyncExitStack() as stack:
        made = []
        for number in range(count):
            options = {"clock": clock} if clock else {}
            on_fault = faults.append if faults is not None else lambda _: None
            counters = RedisCounters(url, process=f"p{number}", on_fault=on_fault, timeout=PATIENT_SECONDS, **options)
            stack.push_async_callback(counters.close)
            made.append(counters)
        yield made


async def test_local_counter_begins_anew_when_its_time_is_over() -> None:
    clock = Clock()
    counters = LocalCounters(clock)
    assert (await counters.add("a", 2, 60)) == (2, 60)
    clock.now += 50
    assert (await counters.add("a", 3, 60)) == (5, 10)
    assert (await counters.add("b", 1, 60)) == (1, 60)
    clock.now += 11
    assert (await counters.add("a", 1, 60)) == (1, 60)


async def test_processes_add_to_one_counter_and_each_sees_another_value(redis_server: "RedisServer") -> None:
    async with processes(redis_server.url, 3) as made:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(made[at % 3].add("a", 1, 60)) for at in range(300)]
        counts = [task.result() for task in tasks]
    assert sorted(count.value for count in counts) == list(range(1, 301))
    assert all(59 < count.seconds_left <= 60 for count in counts)


async def test_window_is_that_of_the_process_that_began_it(redis_server: "RedisServer") -> None:
    async with processes(redis_server.url) as (first, second):
        await first.add("a", 1, 2)
        await asyncio.sleep(1)
        assert (await second.add("a", 1, 2)).seconds_left < 1.1
        await asyncio.sleep(1.2)
        assert (await second.add("a", 1, 2)).value == 1
        assert (await first.add("a", 1, 2)).value == 2


async def test_counter_has_an_end_in_redis_and_reveals_its_name_alone(redis_server: "RedisServer") -> None:
    async with processes(redis_server.url, 1) as (counters,):
        await counters.add("requests:minute:0123abcd", 1, 60)
    assert redis_server.do("KEYS", "*") == [f"{PREFIX}count:requests:minute:0123abcd".encode()]
    assert 55 < redis_server.do("TTL", f"{PREFIX}count:requests:minute:0123abcd") <= 60


async def test_what_redis_has_lost_still_counts_in_this_process(redis_server: "RedisServer") -> None:
    async with processes(redis_server.url) as (first, second):
        for _ in range(5):
            await first.add("a", 1, 60)
        await asyncio.sleep(1.5)
        redis_server.do("FLUSHALL")
        assert (await first.add("a", 1, 60)).value == 6
        assert (await first.add("a", 1, 60)).value == 7
        assert (await second.add("a", 1, 60)).value == 8


async def test_where_redis_is_down_each_process_counts_alone_and_reports_it(redis_server: "RedisServer") -> None:
    faults: list[str] = []
    async with processes(redis_server.url, faults=faults) as (first, second):
        await first.add("a", 3, 60)
        redis_server.kill()
        assert (await first.add("a", 1, 60)).value == 4 and (await second.add("a", 1, 60)).value == 1
        assert await first.share("b", 2, 30) is None
        assert Counter(faults) == {"unavailable": 3}
        redis_server.start()


async def test_what_redis_did_not_take_is_added_when_it_is_back(redis_server: "RedisServer") -> None:
    async with processes(redis_server.url) as (first, second):
        await first.add("a", 1, 60)
        redis_server.do("ACL", "SETUSER", "default", "-incrby")
        assert (await first.add("a", 10, 60)).value == 11
        redis_server.do("ACL", "SETUSER", "default", "+incrby")
        assert (await second.add("a", 1, 60)).value == 2
        assert (await first.add("a", 1, 60)).value == 13
        assert (await second.add("a", 1, 60)).value == 14


async def test_scripts_and_administration_are_not_needed(redis_server: "RedisServer") -> None:
    rules = "+@all", "-@admin", "-@dangerous", "-@scripting"
    redis_server.do("ACL", "SETUSER", "counter", "on", ">pw", f"~{PREFIX}*", *rules)
    faults: list[str] = []
    async with processes(redis_server.url.replace("redis://", "redis://counter:pw@"), 1, faults=faults) as (counters,):
        assert (await counters.add("a", 7, 60)).value == 7
        assert await counters.share("b", 2, 30) == 2
    assert not faults


async def test_shares_add_up_and_those_of_an_ended_process_count_no_longer(redis_server: "RedisServer") -> None:
    clock = Clock()
    async with processes(redis_server.url, clock=clock) as (first, second):
        assert await first.share("a", 5, 30) == 5
        assert await second.share("a", 3, 30) == 8
        assert await second.share("a", -1, 30) == 7
        clock.now += 20
        assert await second.share("a", 0, 30) == 7
        clock.now += 20
        assert await second.share("a", 0, 30) == 2


async def test_share_that_redis_has_lost_is_set_again(redis_server: "RedisServer") -> None:
    async with processes(redis_server.url) as (first, second):
        await first.share("a", 5, 30)
        redis_server.do("FLUSHALL")
        assert await second.share("a", 1, 30) == 1
        await first.renew("a", 5, 30)
        await first.renew("a", 5, 30)
        assert await second.share("a", 0, 30) == 6


@pytest.mark.parametrize(
    "fields", [{b"p": b"x", b"p:at": b"9"}, {b"p": b"1", b"p:at": b"x"}, {b"p": b"1"}, {b"\xff": b""}]
)
def test_garbage_is_no_share(fields) -> None:
    assert not parse_shares(fields, 5)
    assert parse_shares({**fields, b"q": b"4", f"q{AT}".encode(): b"9"}, 5) == {"q": 4}


def test_without_a_url_counters_are_local() -> None:
    assert isinstance(open_counters(None, process="p", on_fault=lambda _: None), LocalCounters)
    with pytest.raises(ValueError, match="redis"):
        open_counters("http://127.0.0.1", process="p", on_fault=lambda _: None)
