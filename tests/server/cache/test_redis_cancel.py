"""Cancelled calls of the cache in Redis: later calls get their own answers, and no connection leaks."""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from cogitate.server.cache import RedisCache
from cogitate.server.cache.redis_client import MAX_CONNECTIONS
from tests.fakes.redis_cache import count_sockets, open_redis_cache

if TYPE_CHECKING:
    from tests.fakes.redis_server import RedisServer

pytest_plugins = ["tests.fakes.redis_server"]


async def test_a_get_does_not_receive_the_answer_to_a_cancelled_one(redis_server: "RedisServer") -> None:
    async with open_redis_cache(redis_server.url) as (cache, faults):
        await cache.put("a", b"the answer to a")
        await cache.put("b", b"the answer to b")
        redis_server.stop()
        leaving = asyncio.create_task(cache.get("a"))
        await asyncio.sleep(0.05)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        redis_server.cont()
        assert await cache.get("b") == b"the answer to b"
        assert await cache.get("a") == b"the answer to a"
        assert not faults


async def visit(cache: RedisCache, key: str, *, puts: bool) -> None:
    if puts:
        await cache.put(key, key.encode())
    assert await cache.get(key) in {None, key.encode()}


async def test_cancellations_at_any_moment_do_not_affect_later_calls(redis_url: str) -> None:
    rng = random.Random(5)
    keys = [secrets.token_hex(32) for _ in range(20)]
    async with open_redis_cache(redis_url) as (cache, faults):
        for _ in range(60):
            visits = [asyncio.create_task(visit(cache, rng.choice(keys), puts=rng.random() < 0.3)) for _ in range(40)]
            for one in visits:
                await asyncio.sleep(rng.random() / 2000)
                if rng.random() < 0.5:
                    one.cancel()
            left = [result for result in await wait_for_results(visits) if result is not None]
            assert all(isinstance(reason, asyncio.CancelledError) for reason in left), left
        for key in keys:
            await visit(cache, key, puts=True)
        assert not faults


async def wait_for_results(visits: list[asyncio.Task[None]]) -> list[BaseException | None]:
    await asyncio.wait(visits)
    return [asyncio.CancelledError() if one.cancelled() else one.exception() for one in visits]


async def test_every_cancelled_call_raises_cancelled_error(redis_server: "RedisServer") -> None:
    async with open_redis_cache(redis_server.url, limit=0.02) as (cache, _):
        for n in range(100):
            call: Callable[[], Awaitable[object]] = (
                (lambda: cache.get("a")) if n % 2 else (lambda: cache.put("a", b"1"))
            )
            asked = asyncio.ensure_future(call())
            for _ in range(n % 12):
                await asyncio.sleep(0)
            if asked.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await asked
        assert count_sockets(redis_server) <= MAX_CONNECTIONS
    assert count_sockets(redis_server) == 0
