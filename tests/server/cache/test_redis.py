"""The cache in a real Redis, and all the ways in which that Redis goes wrong."""

import asyncio
import logging
import pickle
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from server.cache import RedisCache, open_cache
from server.cache.envelope import MARK, OVERHEAD, seal
from server.cache.redis import CONNECTIONS, PREFIX
from tests.server.cache.test_envelope import Canary

if TYPE_CHECKING:
    from tests.redis_server import RedisServer

pytest_plugins = ["tests.redis_server"]

TIMEOUT = 0.1
BOUND = 0.5
"""Seconds: twice the timeout, and what a busy test machine adds."""
PATIENT = 5.0
"""A timeout for the tests where only the answers matter."""
RESUME = 10.0


@asynccontextmanager
async def opened(
    url: str, *, limit: float = PATIENT, secret: bytes | None = None
) -> AsyncIterator[tuple[RedisCache, list[str]]]:
    """A cache, and the faults it reports."""
    faults: list[str] = []
    cache = RedisCache(url, ttl=60, on_fault=faults.append, secret=secret, timeout=limit)
    try:
        yield cache, faults
    finally:
        await cache.close()


def sockets(server: "RedisServer") -> int:
    """How many sockets this process holds to that server."""
    return sum(bool(c.raddr) and c.raddr.port == server.port for c in psutil.Process().net_connections("tcp"))


async def timed(call: Awaitable[object]) -> float:
    before = time.perf_counter()
    await call
    return time.perf_counter() - before


async def hits_resume(cache: RedisCache, key: str, value: bytes) -> float:
    """Seconds until puts and gets are served again."""
    before = time.perf_counter()
    while time.perf_counter() - before < RESUME:
        await cache.put(key, value)
        if await cache.get(key) == value:
            return time.perf_counter() - before
        await asyncio.sleep(0.05)
    pytest.fail("no hit ten seconds after the end of the fault")


# --- what is written ---


async def test_every_key_is_ours_by_name_and_lives_for_the_ttl(redis_server: "RedisServer") -> None:
    async with opened(redis_server.url) as (cache, _):
        for n in range(20):
            await cache.put(f"{n:064x}", b"{}")
    names = redis_server.do("KEYS", "*")
    assert len(names) == 20
    for name in names:
        assert name.startswith(PREFIX.encode())
        assert 55 < redis_server.do("TTL", name) <= 60


async def test_putting_again_renews_the_ttl(redis_server: "RedisServer") -> None:
    async with opened(redis_server.url) as (cache, _):
        await cache.put("a", b"1")
        redis_server.do("PERSIST", PREFIX + "a")
        await cache.put("a", b"2")
    assert 55 < redis_server.do("TTL", PREFIX + "a") <= 60


@pytest.mark.parametrize("ttl", [0, -1])
def test_a_ttl_below_a_second_is_refused(ttl: int) -> None:
    with pytest.raises(ValueError, match="at least one second"):
        open_cache("redis://127.0.0.1", ttl=ttl, on_fault=lambda _: None)


def test_an_empty_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="secret is empty"):
        open_cache("redis://127.0.0.1", ttl=1, on_fault=lambda _: None, secret=b"")


async def test_a_flush_is_a_miss_and_no_fault(redis_server: "RedisServer") -> None:
    async with opened(redis_server.url) as (cache, faults):
        await cache.put("a", b"1")
        redis_server.do("FLUSHALL")
        assert await cache.get("a") is None
        assert not faults


async def test_four_commands_are_all_it_needs(redis_server: "RedisServer") -> None:
    redis_server.do("ACL", "SETUSER", "cache", "on", ">pw", f"~{PREFIX}*", "+getrange", "+exists", "+set", "+unlink")
    async with opened(redis_server.url.replace("//", "//cache:pw@")) as (cache, faults):
        await cache.put("a", b"1")
        assert await cache.get("a") == b"1"
        assert await cache.get("b") is None
        redis_server.do("SET", PREFIX + "a", "noise")
        assert await cache.get("a") is None
        assert faults == ["corrupt"]


# --- what is found there and is not ours ---


def untouched(folder: Path) -> bool:
    return not list(folder.iterdir())


def noise(rng: random.Random, tmp_path: Path) -> list[bytes]:
    """Values to find under `a`: anything but an envelope sealed for it without a secret."""
    whole = seal("a", b'{"answer": "72"}', None)
    values = [rng.randbytes(rng.randrange(300)) for _ in range(200)]
    values += [MARK + rng.randbytes(rng.randrange(300)) for _ in range(50)]
    values += [whole[:n] for n in range(len(whole))]
    values += [whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1 :] for n in range(len(whole))]
    values += [whole.replace(b":1\n", b":2\n"), whole + b" ", b"\n" + whole, b'{"answer": "72"}', b"[" * 100_000]
    values += [seal("b", b'{"answer": "72"}', None), seal("a", b'{"answer": "72"}', b"somebody's secret")]
    values += [pickle.dumps(Canary(tmp_path / "canary")), f"cos\nsystem\n(S'touch {tmp_path}/canary'\ntR.".encode()]
    return values


@pytest.mark.parametrize("secret", [None, b"s" * 32], ids=["unsigned", "signed"])
async def test_garbage_is_a_miss_deleted_and_counted(
    redis_server: "RedisServer", tmp_path: Path, secret: bytes | None
) -> None:
    values = noise(random.Random(17), tmp_path)
    async with opened(redis_server.url, secret=secret) as (cache, faults):
        for n, value in enumerate(values, start=1):
            redis_server.do("SET", PREFIX + "a", value)
            assert await cache.get("a") is None, value
            assert not redis_server.do("EXISTS", PREFIX + "a")
            assert faults == ["corrupt"] * n, value
        await cache.put("a", b"1")
        assert await cache.get("a") == b"1"
    assert untouched(tmp_path)


async def test_without_the_secret_nothing_can_be_forged(redis_server: "RedisServer") -> None:
    async with opened(redis_server.url, secret=b"s" * 32) as (cache, faults):
        for forgery in (seal("a", b"forged", None), seal("a", b"forged", b"guess")):
            redis_server.do("SET", PREFIX + "a", forgery)
            assert await cache.get("a") is None
        assert faults == ["corrupt"] * 2


@pytest.mark.parametrize(
    "command", [("LPUSH", "x"), ("SADD", "x"), ("HSET", "x", "y"), ("ZADD", "1", "x"), ("XADD", "*", "x", "y")]
)
async def test_another_type_is_a_miss_deleted_and_counted(
    redis_server: "RedisServer", command: tuple[str, ...]
) -> None:
    async with opened(redis_server.url) as (cache, faults):
        redis_server.do(command[0], PREFIX + "a", *command[1:])
        assert await cache.get("a") is None
        assert faults == ["corrupt"]
        assert not redis_server.do("EXISTS", PREFIX + "a")
        redis_server.do(command[0], PREFIX + "a", *command[1:])
        await cache.put("a", b"1")
        assert await cache.get("a") == b"1"


async def test_a_valid_envelope_under_another_key_is_not_served(redis_server: "RedisServer") -> None:
    async with opened(redis_server.url) as (cache, faults):
        await cache.put("a", b"the answer to a")
        redis_server.do("COPY", PREFIX + "a", PREFIX + "b")
        assert await cache.get("b") is None
        assert faults == ["corrupt"]
        assert await cache.get("a") == b"the answer to a"


async def test_half_a_gigabyte_is_never_fetched(redis_server: "RedisServer") -> None:
    redis_server.do("SETRANGE", PREFIX + "a", (512 << 20) - 9, "the end")
    async with opened(redis_server.url) as (cache, faults):
        before = int(redis_server.do("INFO", "stats")["total_net_output_bytes"])
        assert await cache.get("a") is None
        assert int(redis_server.do("INFO", "stats")["total_net_output_bytes"]) - before < 5 << 20
        assert faults == ["corrupt"]
        assert not redis_server.do("EXISTS", PREFIX + "a")


async def test_the_largest_value_is_kept_and_one_byte_more_is_not(redis_server: "RedisServer") -> None:
    async with opened(redis_server.url) as (cache, faults):
        await cache.put("a", b"x" * (4 << 20))
        await cache.put("b", b"x" * ((4 << 20) + 1))
        assert await cache.get("a") == b"x" * (4 << 20)
        assert redis_server.do("STRLEN", PREFIX + "a") == (4 << 20) + OVERHEAD
        assert not redis_server.do("EXISTS", PREFIX + "b")
        redis_server.do("SET", PREFIX + "b", seal("b", b"x" * ((4 << 20) + 1), None))
        assert await cache.get("b") is None
        assert faults == ["corrupt"]


# --- when Redis does not do its part ---


async def test_redis_down_costs_next_to_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with opened("redis://:hunter2@127.0.0.1:1/0") as (cache, faults):
        took = [await timed(cache.get(f"{n}")) for n in range(500)]
        took += [await timed(cache.put(f"{n}", b"1")) for n in range(500)]
    assert max(took) < BOUND
    assert sum(took) < 0.5
    assert faults == ["unavailable"] * 1000
    assert [record.getMessage() for record in caplog.records] == [
        f"Cannot {doing} Redis at 127.0.0.1:1 (ConnectionError): going on without."
        for doing in ("read from", "write to")
    ]


@pytest.mark.slow
async def test_a_frozen_redis_adds_a_bounded_wait_to_a_few(
    redis_server: "RedisServer", caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "cogitate.cache")
    async with opened(redis_server.url, limit=TIMEOUT) as (cache, faults):
        await cache.put("a", b"1")
        redis_server.stop()
        async with asyncio.TaskGroup() as crowd:
            first = [crowd.create_task(timed(cache.get("a"))) for _ in range(200)]
        waits = [task.result() for task in first]
        began = time.perf_counter()
        while time.perf_counter() - began < 3:
            waits.append(await timed(cache.get("a")))
            await asyncio.sleep(0.005)
        later = sorted(waits[200:])
        assert max(waits) < BOUND
        assert later[len(later) * 98 // 100] < 0.005
        assert (
            sum(wait > TIMEOUT / 2 for wait in later) <= 4
        )  # tries after 1 s and 2 s more, and the machine's own pauses
        assert faults == ["unavailable"] * len(waits)
        assert sockets(redis_server) <= CONNECTIONS
        redis_server.cont()
        assert await hits_resume(cache, "a", b"2") < RESUME
        assert len(caplog.records) == 2  # gone, and back
    assert sockets(redis_server) == 0


@pytest.mark.slow
async def test_hits_resume_after_a_crash_and_a_restart(
    redis_server: "RedisServer", caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(redis_server.url) as (cache, faults):
        async with asyncio.TaskGroup() as crowd:
            for n in range(50):
                crowd.create_task(cache.put(f"{n}", b"1"))
        assert not faults
        redis_server.kill()
        began = time.perf_counter()
        while time.perf_counter() - began < 2.5:
            assert await timed(cache.get("1")) < BOUND
            assert await timed(cache.put("1", b"1")) < BOUND
            await asyncio.sleep(0.01)
        redis_server.start()
        assert await hits_resume(cache, "1", b"2") < RESUME
        assert len(caplog.records) == 4  # reading and writing: gone, and back
        assert sockets(redis_server) <= CONNECTIONS
    assert sockets(redis_server) == 0


async def test_a_restart_between_two_requests_is_not_noticed(redis_server: "RedisServer") -> None:
    async with opened(redis_server.url) as (cache, faults):
        await cache.put("a", b"1")
        redis_server.kill()
        redis_server.start()
        await asyncio.sleep(0.05)
        assert await cache.get("a") is None
        await cache.put("a", b"2")
        assert await cache.get("a") == b"2"
        assert not faults


async def test_a_slow_redis_is_left_alone(redis_server: "RedisServer") -> None:
    async with opened(redis_server.url, limit=TIMEOUT) as (cache, _):
        await cache.put("a", b"1")
        redis_server.do("CLIENT", "PAUSE", "500", "ALL")
        took = [await timed(cache.get("a")) for _ in range(50)]
        assert max(took) < BOUND
        assert sum(took) < 2 * BOUND


async def refused(cache: RedisCache, faults: list[str], caplog: pytest.LogCaptureFixture, error: str) -> None:
    """Hits go on, writes are given up, one line says so."""
    assert await cache.get("a") == b"1"
    took = [await timed(cache.put("b", b"1")) for _ in range(100)]
    assert max(took) < BOUND
    assert faults == ["unavailable"] * 100
    assert await cache.get("a") == b"1"
    assert await cache.get("b") is None
    assert len(faults) == 100
    [record] = caplog.records
    assert record.getMessage().startswith("Cannot write to Redis")
    assert error in record.getMessage()


async def test_a_user_who_may_only_read_still_hits(
    redis_server: "RedisServer", caplog: pytest.LogCaptureFixture
) -> None:
    redis_server.do("ACL", "SETUSER", "reader", "on", ">hunter2", "~*", "+@read")
    async with opened(redis_server.url) as (writer, _):
        await writer.put("a", b"1")
    async with opened(redis_server.url.replace("//", "//reader:hunter2@")) as (cache, faults):
        await refused(cache, faults, caplog, "NoPermissionError")
        redis_server.do("SET", PREFIX + "c", "noise")
        assert await cache.get("c") is None
        assert faults[-1] == "corrupt"
    assert "hunter2" not in caplog.text


async def test_a_replica_still_hits(redis_server: "RedisServer", caplog: pytest.LogCaptureFixture) -> None:
    async with opened(redis_server.url) as (cache, faults):
        await cache.put("a", b"1")
        redis_server.do("REPLICAOF", "127.0.0.1", "1")
        await refused(cache, faults, caplog, "ReadOnlyError")


async def test_a_full_redis_still_hits(redis_server: "RedisServer", caplog: pytest.LogCaptureFixture) -> None:
    async with opened(redis_server.url) as (cache, faults):
        await cache.put("a", b"1")
        redis_server.do("CONFIG", "SET", "maxmemory", "1", "maxmemory-policy", "noeviction")
        await refused(cache, faults, caplog, "OutOfMemoryError")


async def test_a_wrong_password_is_a_miss_and_is_not_repeated(
    redis_server: "RedisServer", caplog: pytest.LogCaptureFixture
) -> None:
    redis_server.do("CONFIG", "SET", "requirepass", "correct")
    async with opened(redis_server.url.replace("//", "//:hunter2@")) as (cache, faults):
        for _ in range(10):
            assert await cache.get("a") is None
        assert faults == ["unavailable"] * 10
        assert "AuthenticationError" in caplog.text
        assert "hunter2" not in caplog.text + repr(cache) + repr(vars(cache))


# --- callers who leave ---


async def test_a_cancelled_get_does_not_leave_its_answer_to_the_next(redis_server: "RedisServer") -> None:
    async with opened(redis_server.url) as (cache, faults):
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


async def test_callers_who_leave_at_any_moment_harm_nobody(redis_url: str) -> None:
    rng = random.Random(5)
    keys = [secrets.token_hex(32) for _ in range(20)]
    async with opened(redis_url) as (cache, faults):
        for _ in range(60):
            visits = [asyncio.create_task(visit(cache, rng.choice(keys), puts=rng.random() < 0.3)) for _ in range(40)]
            for one in visits:
                await asyncio.sleep(rng.random() / 2000)
                if rng.random() < 0.5:
                    one.cancel()
            left = [result for result in await settled(visits) if result is not None]
            assert all(isinstance(reason, asyncio.CancelledError) for reason in left), left
        for key in keys:
            await visit(cache, key, puts=True)
        assert not faults


async def settled(visits: list[asyncio.Task[None]]) -> list[BaseException | None]:
    await asyncio.wait(visits)
    return [asyncio.CancelledError() if one.cancelled() else one.exception() for one in visits]


async def test_cancelling_is_never_swallowed(redis_server: "RedisServer") -> None:
    async with opened(redis_server.url, limit=0.02) as (cache, _):
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
        assert sockets(redis_server) <= CONNECTIONS
    assert sockets(redis_server) == 0


# --- the URL ---


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:6379",
        "http://:hunter2@127.0.0.1",
        "redis://",
        "redis:/127.0.0.1",
        "redis://:hunter2@",
        "redis://:hunter2/x@127.0.0.1:6379/0",
        "redis://:1234/hunter2@127.0.0.1:6379/0",
        "redis://:1234#hunter2@127.0.0.1:6379/0",
        "redis://:1234?hunter2@127.0.0.1:6379/0",
        "redis://:hunter2@127.0.0.1:port",
        "redis://:hunter2@127.0.0.1:99999",
        "redis://:hunter2@127.0.0.1/first",
        "redis://:hunter2@127.0.0.1/0?unheard_of=1",
        "redis://:hunter2@127.0.0.1/0?db=first",
        "redis://:hunter2@[::1/0",
        "unix://",
    ],
)
def test_a_url_that_cannot_be_meant_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(ValueError, match="^the Redis URL cannot be used") as refusal:
        open_cache(url, ttl=60, on_fault=lambda _: None)
    assert "hunter2" not in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert refusal.value.__context__ is None


async def test_the_url_cannot_talk_us_into_waiting_or_decoding(redis_url: str) -> None:
    options = "decode_responses=1&socket_timeout=60&protocol=3&max_connections=1&retry_on_timeout=1"
    async with opened(f"{redis_url}?{options}") as (cache, faults):
        key = secrets.token_hex(32)
        await cache.put(key, b"\xff")
        assert await cache.get(key) == b"\xff"
        assert not faults


# --- the event loop ---


def test_on_the_event_loop_that_uvicorn_brings(redis_server: "RedisServer") -> None:
    async def scene() -> None:
        async with opened(redis_server.url, limit=TIMEOUT) as (cache, faults):
            await cache.put("a", b"1")
            assert await cache.get("a") == b"1"
            redis_server.stop()
            assert max([await timed(cache.get("a")) for _ in range(10)]) < BOUND
            assert faults == ["unavailable"] * 10
        assert sockets(redis_server) == 0

    with asyncio.Runner(loop_factory=pytest.importorskip("uvloop").new_event_loop) as runner:
        runner.run(scene())
