"""The cache in a real Redis: what it writes, and how it treats foreign values."""

import pickle  # noqa: TID251 an attack
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cogitate.server.cache import open_cache
from cogitate.server.cache.redis import PREFIX
from cogitate.server.cache.signing import MARK, OVERHEAD_BYTES, seal
from tests.fakes.redis_cache import open_redis_cache
from tests.server.cache.test_signing import Canary

if TYPE_CHECKING:
    from tests.fakes.redis_server import RedisServer

pytest_plugins = ["tests.fakes.redis_server"]


async def test_every_key_has_our_prefix_and_the_time_to_live(redis_server: "RedisServer") -> None:
    async with open_redis_cache(redis_server.url) as (cache, _):
        for n in range(20):
            await cache.put(f"{n:064x}", b"{}")
    names = redis_server.do("KEYS", "*")
    assert len(names) == 20
    for name in names:
        assert name.startswith(PREFIX.encode())
        assert 55 < redis_server.do("TTL", name) <= 60


async def test_putting_a_key_again_renews_its_time_to_live(redis_server: "RedisServer") -> None:
    async with open_redis_cache(redis_server.url) as (cache, _):
        await cache.put("a", b"1")
        redis_server.do("PERSIST", PREFIX + "a")
        await cache.put("a", b"2")
    assert 55 < redis_server.do("TTL", PREFIX + "a") <= 60


@pytest.mark.parametrize("ttl", [0, -1])
def test_a_time_to_live_below_one_second_raises_value_error(ttl: int) -> None:
    with pytest.raises(ValueError, match="at least one second"):
        open_cache("redis://127.0.0.1", ttl=ttl, on_fault=lambda _: None)


def test_an_empty_secret_raises_value_error() -> None:
    with pytest.raises(ValueError, match="secret is empty"):
        open_cache("redis://127.0.0.1", ttl=1, on_fault=lambda _: None, secret=b"")


async def test_after_a_flush_a_get_is_a_miss_without_a_fault(redis_server: "RedisServer") -> None:
    async with open_redis_cache(redis_server.url) as (cache, faults):
        await cache.put("a", b"1")
        redis_server.do("FLUSHALL")
        assert await cache.get("a") is None
        assert not faults


async def test_the_cache_needs_four_commands_only(redis_server: "RedisServer") -> None:
    redis_server.do("ACL", "SETUSER", "cache", "on", ">pw", f"~{PREFIX}*", "+getrange", "+exists", "+set", "+unlink")
    async with open_redis_cache(redis_server.url.replace("//", "//cache:pw@")) as (cache, faults):
        await cache.put("a", b"1")
        assert await cache.get("a") == b"1"
        assert await cache.get("b") is None
        redis_server.do("SET", PREFIX + "a", "noise")
        assert await cache.get("a") is None
        assert faults == ["corrupt"]


def is_empty(folder: Path) -> bool:
    return not list(folder.iterdir())


def noise(rng: random.Random, tmp_path: Path) -> list[bytes]:
    """Values for the key `a`: anything but an envelope sealed for it without a secret."""
    valid = seal("a", b'{"answer": "72"}', None)
    values = [rng.randbytes(rng.randrange(300)) for _ in range(200)]
    values += [MARK + rng.randbytes(rng.randrange(300)) for _ in range(50)]
    values += [valid[:n] for n in range(len(valid))]
    values += [valid[:n] + bytes([valid[n] ^ 1]) + valid[n + 1 :] for n in range(len(valid))]
    values += [valid.replace(b":1\n", b":2\n"), valid + b" ", b"\n" + valid, b'{"answer": "72"}', b"[" * 100_000]
    values += [seal("b", b'{"answer": "72"}', None), seal("a", b'{"answer": "72"}', b"somebody's secret")]
    values += [pickle.dumps(Canary(tmp_path / "canary")), f"cos\nsystem\n(S'touch {tmp_path}/canary'\ntR.".encode()]
    return values


@pytest.mark.parametrize("secret", [None, b"s" * 32], ids=["unsigned", "signed"])
async def test_a_foreign_value_is_a_miss_and_is_deleted_and_counted(
    redis_server: "RedisServer", tmp_path: Path, secret: bytes | None
) -> None:
    values = noise(random.Random(17), tmp_path)
    async with open_redis_cache(redis_server.url, secret=secret) as (cache, faults):
        for n, value in enumerate(values, start=1):
            redis_server.do("SET", cache._name("a"), value)
            assert await cache.get("a") is None, value
            assert not redis_server.do("EXISTS", cache._name("a"))
            assert faults == ["corrupt"] * n, value
        await cache.put("a", b"1")
        assert await cache.get("a") == b"1"
    assert is_empty(tmp_path)


async def test_an_answer_cannot_be_forged_without_the_secret(redis_server: "RedisServer") -> None:
    async with open_redis_cache(redis_server.url, secret=b"s" * 32) as (cache, faults):
        for forgery in (seal("a", b"forged", None), seal("a", b"forged", b"guess")):
            redis_server.do("SET", cache._name("a"), forgery)
            assert await cache.get("a") is None
        assert faults == ["corrupt"] * 2


@pytest.mark.parametrize(
    "command", [("LPUSH", "x"), ("SADD", "x"), ("HSET", "x", "y"), ("ZADD", "1", "x"), ("XADD", "*", "x", "y")]
)
async def test_a_value_of_another_redis_type_is_a_miss_and_is_deleted_and_counted(
    redis_server: "RedisServer", command: tuple[str, ...]
) -> None:
    async with open_redis_cache(redis_server.url) as (cache, faults):
        redis_server.do(command[0], PREFIX + "a", *command[1:])
        assert await cache.get("a") is None
        assert faults == ["corrupt"]
        assert not redis_server.do("EXISTS", PREFIX + "a")
        redis_server.do(command[0], PREFIX + "a", *command[1:])
        await cache.put("a", b"1")
        assert await cache.get("a") == b"1"


async def test_a_valid_envelope_copied_to_another_key_is_a_miss(redis_server: "RedisServer") -> None:
    async with open_redis_cache(redis_server.url) as (cache, faults):
        await cache.put("a", b"the answer to a")
        redis_server.do("COPY", PREFIX + "a", PREFIX + "b")
        assert await cache.get("b") is None
        assert faults == ["corrupt"]
        assert await cache.get("a") == b"the answer to a"


async def test_a_foreign_value_of_half_a_gigabyte_is_not_transferred(redis_server: "RedisServer") -> None:
    redis_server.do("SETRANGE", PREFIX + "a", (512 << 20) - 9, "the end")
    async with open_redis_cache(redis_server.url) as (cache, faults):
        before = int(redis_server.do("INFO", "stats")["total_net_output_bytes"])
        assert await cache.get("a") is None
        assert int(redis_server.do("INFO", "stats")["total_net_output_bytes"]) - before < 5 << 20
        assert faults == ["corrupt"]
        assert not redis_server.do("EXISTS", PREFIX + "a")


async def test_the_largest_value_is_stored_and_one_byte_more_is_not(redis_server: "RedisServer") -> None:
    async with open_redis_cache(redis_server.url) as (cache, faults):
        await cache.put("a", b"x" * (4 << 20))
        await cache.put("b", b"x" * ((4 << 20) + 1))
        assert await cache.get("a") == b"x" * (4 << 20)
        assert redis_server.do("STRLEN", PREFIX + "a") == (4 << 20) + OVERHEAD_BYTES
        assert not redis_server.do("EXISTS", PREFIX + "b")
        redis_server.do("SET", PREFIX + "b", seal("b", b"x" * ((4 << 20) + 1), None))
        assert await cache.get("b") is None
        assert faults == ["corrupt"]
