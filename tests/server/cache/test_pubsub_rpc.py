"""Calls between processes over a real Redis: who receives them, whose replies count, and what happens without Redis."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from cogitate.server.cache import NoPeers, open_peer_rpc
from cogitate.server.cache.pubsub_rpc import MAX_PAYLOAD_BYTES, Handler, RedisPeerRpc
from cogitate.server.cache.redis_client import PREFIX
from tests.fakes.redis_cache import PATIENT_SECONDS

if TYPE_CHECKING:
    from tests.fakes.redis_server import RedisServer

pytest_plugins = ["tests.fakes.redis_server"]
SECRET = b"s" * 32


def refuse(payload: bytes) -> bool:
    return False


def accept(payload: bytes) -> Handler:
    """A handler that replies yes to this payload alone."""
    return lambda received: received == payload


@asynccontextmanager
async def open_rpc(
    url: str, handler: Handler = refuse, *, secret: bytes | None = None, faults: list[str] | None = None
) -> AsyncIterator[RedisPeerRpc]:
    """One process's end, once it is connected."""
    reported = [] if faults is None else faults
    rpc = RedisPeerRpc(url, on_fault=reported.append, secret=secret, reply_seconds=20.0, timeout=PATIENT_SECONDS)
    serving = asyncio.ensure_future(rpc.serve(handler))
    try:
        await wait_until(lambda: rpc.is_connected)
        yield rpc
    finally:
        serving.cancel()
        await rpc.close()


async def wait_until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not check():  # noqa: ASYNC110 a connection has no event
            await asyncio.sleep(0.005)


@asynccontextmanager
async def open_peers(url: str, handlers: Iterable[Handler]) -> AsyncIterator[list[RedisPeerRpc]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_rpc(url, handler)) for handler in handlers]


async def test_a_call_reaches_every_process_but_the_caller(redis_server: "RedisServer") -> None:
    async with open_peers(redis_server.url, map(accept, (b"a", b"b", b"c"))) as (first, second, third):
        assert await first.call(b"b") and await second.call(b"c") and await third.call(b"a")
        assert not await first.call(b"a")
        assert redis_server.do("KEYS", "*") == []


async def test_a_call_returns_as_soon_as_every_process_has_replied_no(redis_server: "RedisServer") -> None:
    async with open_peers(redis_server.url, [refuse] * 4) as (first, *_):
        began = time.monotonic()
        assert not await first.call(b"x")
        assert time.monotonic() - began < 10  # its limit is 20 s


async def test_each_of_many_concurrent_calls_gets_its_own_reply(redis_server: "RedisServer") -> None:
    payloads = [b"%d" % at for at in range(100)]
    async with open_peers(redis_server.url, [refuse, lambda payload: int(payload) % 3 == 0]) as (first, _):
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(first.call(payload)) for payload in payloads]
        assert [call.result() for call in calls] == [int(payload) % 3 == 0 for payload in payloads]


async def test_a_process_without_the_secret_can_neither_call_nor_reply(redis_server: "RedisServer") -> None:
    faults: list[str] = []
    async with (
        open_rpc(redis_server.url, accept(b"a"), secret=SECRET, faults=faults) as ours,
        open_rpc(redis_server.url, accept(b"b"), secret=b"a guess") as foreign,
        open_rpc(redis_server.url, accept(b"c"), secret=SECRET) as peer,
    ):
        assert await peer.call(b"a") and faults == []
        foreign._reply_seconds = ours._reply_seconds = 0.2
        assert not await foreign.call(b"a") and not await ours.call(b"b")
        assert faults and set(faults) == {"corrupt"}
        assert await ours.call(b"c")


async def test_foreign_messages_are_counted_and_end_nothing(redis_server: "RedisServer") -> None:
    faults: list[str] = []
    async with open_rpc(redis_server.url, accept(b"a"), faults=faults), open_rpc(redis_server.url) as caller:
        for noise in (b"", b"?", b"cos\nsystem", b"\xff" * 1000, b"x" * (9 << 20)):
            redis_server.do("PUBLISH", f"{PREFIX}peers:0", noise)
        assert await caller.call(b"a")
        assert faults == ["corrupt"] * 5


async def test_processes_on_another_database_are_no_peers(redis_server: "RedisServer") -> None:
    other_database = redis_server.url.removesuffix("/0") + "/1"
    async with open_rpc(redis_server.url) as first, open_rpc(other_database, accept(b"a")):
        assert not await first.call(b"a")


async def test_a_payload_above_the_limit_is_not_sent(redis_server: "RedisServer") -> None:
    async with open_peers(redis_server.url, [refuse, lambda _: True]) as (first, _):
        assert await first.call(b"x" * MAX_PAYLOAD_BYTES)
        assert not await first.call(b"x" * (MAX_PAYLOAD_BYTES + 1))


async def test_calls_resume_when_redis_is_back(redis_server: "RedisServer") -> None:
    async with open_peers(redis_server.url, [refuse, accept(b"a")]) as (first, second):
        redis_server.kill()
        assert not await first.call(b"a")
        await wait_until(lambda: not (first.is_connected or second.is_connected))
        redis_server.start()
        await wait_until(lambda: first.is_connected and second.is_connected)
        async with asyncio.timeout(10):
            while not await first.call(b"a"):  # noqa: ASYNC110 until its circuit breaker probes again
                await asyncio.sleep(0.05)


async def test_without_redis_every_call_returns_false() -> None:
    unreachable = open_peer_rpc("redis://127.0.0.1:1/0", on_fault=lambda _: None)
    serving = asyncio.ensure_future(unreachable.serve(refuse))
    assert not await unreachable.call(b"a")
    serving.cancel()
    await unreachable.close()
    alone = open_peer_rpc(None, on_fault=lambda _: None)
    assert isinstance(alone, NoPeers) and not await alone.call(b"a")
    await alone.serve(refuse)
    await alone.close()


def test_an_unusable_url_raises_value_error() -> None:
    with pytest.raises(ValueError, match="Redis URL"):
        open_peer_rpc("http://127.0.0.1", on_fault=lambda _: None)
