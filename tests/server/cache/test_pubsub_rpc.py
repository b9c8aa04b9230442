"""The line between processes over a real Redis: who is heard, who is not, and what becomes of it without Redis."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from cogitate.server.cache import NoPeers, open_peer_rpc
from cogitate.server.cache.pubsub_rpc import Answer, RedisPeerRpc
from cogitate.server.cache.redis_client import PREFIX
from tests.fakes.redis_cache import PATIENT_SECONDS

if TYPE_CHECKING:
    from tests.fakes.redis_server import RedisServer

pytest_plugins = ["tests.fakes.redis_server"]
SECRET = b"s" * 32


def nobody(question: bytes) -> None:
    return None


def knows(word: bytes) -> Answer:
    """Answers one question, by saying it twice."""
    return lambda question: question * 2 if question == word else None


@asynccontextmanager
async def line(
    url: str, answer: Answer = nobody, *, secret: bytes | None = None, faults: list[str] | None = None
) -> AsyncIterator[RedisPeerRpc]:
    """One process's end of it, once it hears."""
    heard = [] if faults is None else faults
    opened = RedisPeerRpc(url, on_fault=heard.append, secret=secret, patience=20.0, timeout=PATIENT_SECONDS)
    listening = asyncio.ensure_future(opened.serve(answer))
    try:
        await until(lambda: opened.is_connected)
        yield opened
    finally:
        listening.cancel()
        await opened.close()


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not check():  # noqa: ASYNC110 a line has no event
            await asyncio.sleep(0.005)


@asynccontextmanager
async def lines(url: str, answers: Iterable[Answer]) -> AsyncIterator[list[RedisPeerRpc]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(line(url, answer)) for answer in answers]


async def test_whoever_knows_answers_and_the_asker_is_not_asked(redis_server: "RedisServer") -> None:
    async with lines(redis_server.url, [knows(b"a"), knows(b"b"), knows(b"c")]) as (first, second, third):
        assert await first.call(b"b") == b"bb" and await second.call(b"c") == b"cc" and await third.call(b"a") == b"aa"
        assert await first.call(b"a") is None
        assert redis_server.do("KEYS", "*") == []


async def test_that_nobody_knows_is_said_as_soon_as_all_have_said_so(redis_server: "RedisServer") -> None:
    async with lines(redis_server.url, [nobody] * 4) as (first, *_):
        began = time.monotonic()
        assert await first.call(b"x") is None
        assert time.monotonic() - began < 10  # and not the twenty seconds that it would wait


async def test_many_questions_at_a_time_get_each_its_own_answer(redis_server: "RedisServer") -> None:
    words = [b"%d" % at for at in range(100)]
    async with lines(redis_server.url, [nobody, lambda question: question * 2]) as (first, _):
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(first.call(word)) for word in words]
        assert [task.result() for task in asked] == [word * 2 for word in words]


async def test_who_does_not_know_the_secret_neither_asks_nor_answers(redis_server: "RedisServer") -> None:
    faults: list[str] = []
    async with (
        line(redis_server.url, knows(b"a"), secret=SECRET, faults=faults) as ours,
        line(redis_server.url, knows(b"b"), secret=b"a guess") as theirs,
        line(redis_server.url, knows(b"c"), secret=SECRET) as mate,
    ):
        assert await mate.call(b"a") == b"aa" and faults == []
        theirs._patience = ours._patience = 0.2
        assert await theirs.call(b"a") is None and await ours.call(b"b") is None
        assert faults and set(faults) == {"corrupt"}
        assert await ours.call(b"c") == b"cc"


async def test_noise_on_the_line_is_counted_and_ends_nothing(redis_server: "RedisServer") -> None:
    faults: list[str] = []
    async with line(redis_server.url, knows(b"a"), faults=faults), line(redis_server.url) as other:
        for noise in (b"", b"?", b"cos\nsystem", b"\xff" * 1000, b"x" * (9 << 20)):
            redis_server.do("PUBLISH", f"{PREFIX}line:0", noise)
        assert await other.call(b"a") == b"aa"
        assert faults == ["corrupt"] * 5


async def test_another_database_is_another_line(redis_server: "RedisServer") -> None:
    elsewhere = redis_server.url.removesuffix("/0") + "/1"
    async with line(redis_server.url) as first, line(elsewhere, knows(b"a")):
        assert await first.call(b"a") is None


async def test_an_answer_that_is_too_large_is_none(redis_server: "RedisServer") -> None:
    sizes = {b"fits": 4 << 20, b"does not": (4 << 20) + 1}
    async with lines(redis_server.url, [nobody, lambda question: b"x" * sizes[question]]) as (first, _):
        assert len(await first.call(b"fits") or b"") == 4 << 20
        assert await first.call(b"does not") is None


async def test_it_is_taken_up_again_when_redis_is_back(redis_server: "RedisServer") -> None:
    async with lines(redis_server.url, [nobody, knows(b"a")]) as (first, second):
        redis_server.kill()
        assert await first.call(b"a") is None
        await until(lambda: not (first.is_connected or second.is_connected))
        redis_server.start()
        await until(lambda: first.is_connected and second.is_connected)
        async with asyncio.timeout(10):
            while await first.call(b"a") is None:  # noqa: ASYNC110 until its breaker tries again
                await asyncio.sleep(0.05)


async def test_without_redis_everybody_is_alone() -> None:
    refused = open_peer_rpc("redis://127.0.0.1:1/0", on_fault=lambda _: None)
    listening = asyncio.ensure_future(refused.serve(nobody))
    assert await refused.call(b"a") is None
    listening.cancel()
    await refused.close()
    alone = open_peer_rpc(None, on_fault=lambda _: None)
    assert isinstance(alone, NoPeers) and await alone.call(b"a") is None
    await alone.serve(nobody)
    await alone.close()


def test_an_impossible_url_is_refused() -> None:
    with pytest.raises(ValueError, match="Redis URL"):
        open_peer_rpc("http://127.0.0.1", on_fault=lambda _: None)
