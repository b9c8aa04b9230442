"""The contract of every Cache, tested on the in-memory one and on Redis."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable

import pytest

from cogitate.server.cache import Cache, MemoryCache, RedisCache, open_cache

pytest_plugins = ["tests.fakes.redis_server"]

TTL = 60


@pytest.fixture(params=["memory", "redis"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[Cache]:
    faults: list[str] = []
    cache: Cache = MemoryCache(ttl=TTL)
    if request.param == "redis":
        cache = RedisCache(request.getfixturevalue("redis_url"), ttl=TTL, on_fault=faults.append, timeout=5.0)
    yield cache
    await cache.close()
    assert not faults


@pytest.fixture
def fresh() -> Callable[[], str]:
    """Return a generator of unused keys."""
    return lambda: secrets.token_hex(32)


async def test_a_key_without_a_value_is_none(cache: Cache, fresh: Callable[[], str]) -> None:
    assert await cache.get(fresh()) is None


@pytest.mark.parametrize("value", [b"{}", b"", b"\x00\xff\r\n$-1\r\n", '{"answer": "é∞"}'.encode(), b"x" * (1 << 20)])
async def test_a_value_is_returned_byte_for_byte(cache: Cache, fresh: Callable[[], str], value: bytes) -> None:
    key = fresh()
    await cache.put(key, value)
    assert await cache.get(key) == value
    assert await cache.get(key) == value


async def test_a_second_put_replaces_the_value(cache: Cache, fresh: Callable[[], str]) -> None:
    key = fresh()
    await cache.put(key, b"first, and longer")
    await cache.put(key, b"second")
    assert await cache.get(key) == b"second"


async def test_a_value_may_have_a_shorter_time_to_live(cache: Cache, fresh: Callable[[], str]) -> None:
    short, long = fresh(), fresh()
    assert await cache.put(short, b"1", seconds=1) and await cache.put(long, b"2")
    await asyncio.sleep(1.1)
    assert (await cache.get(short), await cache.get(long)) == (None, b"2")


async def test_values_of_different_keys_are_independent(cache: Cache, fresh: Callable[[], str]) -> None:
    one, other = fresh(), fresh()
    await cache.put(one, b"1")
    assert await cache.get(other) is None
    await cache.put(other, b"2")
    assert (await cache.get(one), await cache.get(other)) == (b"1", b"2")


async def test_a_value_over_the_size_limit_is_not_stored(cache: Cache, fresh: Callable[[], str]) -> None:
    key = fresh()
    assert not await cache.put(key, b"x" * ((64 << 20) + 1))
    assert await cache.get(key) is None
    assert await cache.put(key, b"x")


async def test_a_hundred_concurrent_puts_and_gets(cache: Cache, fresh: Callable[[], str]) -> None:
    keys = [fresh() for _ in range(100)]
    async with asyncio.TaskGroup() as puts:
        for key in keys:
            puts.create_task(cache.put(key, key.encode()))
    async with asyncio.TaskGroup() as gets:
        found = [gets.create_task(cache.get(key)) for key in keys]
    assert [task.result() for task in found] == [key.encode() for key in keys]


async def test_a_closed_cache_can_be_closed_again_and_returns_none(fresh: Callable[[], str], redis_url: str) -> None:
    for cache in (MemoryCache(), RedisCache(redis_url, ttl=TTL, on_fault=lambda _: None)):
        await cache.put(fresh(), b"1")
        await cache.close()
        await cache.close()
        assert await cache.get(fresh()) is None


async def test_open_cache_chooses_the_cache_by_url(redis_url: str) -> None:
    for url, kind in ((None, MemoryCache), (redis_url, RedisCache)):
        cache = open_cache(url, ttl=TTL, on_fault=lambda _: None)
        assert isinstance(cache, kind)
        await cache.close()


async def test_a_claim_can_be_renewed_released_and_taken_again(cache: Cache, fresh: Callable[[], str]) -> None:
    key = fresh()
    assert await cache.claim(key)
    await cache.renew(key)
    assert await cache.get(key) is None
    await cache.release(key)
    assert await cache.claim(key)


async def test_only_one_of_two_processes_holds_a_claim(redis_url: str, fresh: Callable[[], str]) -> None:
    key, faults = fresh(), []
    one, other = (RedisCache(redis_url, ttl=TTL, on_fault=faults.append, timeout=5.0) for _ in range(2))
    assert await one.claim(key) and not await other.claim(key)
    await other.release(key)
    assert not await other.claim(key)
    await one.release(key)
    assert await other.claim(key)
    for cache in (one, other):
        await cache.close()
    assert not faults


async def test_without_a_reachable_redis_every_process_holds_the_claim(fresh: Callable[[], str]) -> None:
    cache = RedisCache("redis://127.0.0.1:1/0", ttl=TTL, on_fault=lambda _: None)
    assert await cache.claim(fresh())
    await cache.close()
