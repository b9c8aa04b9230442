"""Redis URLs: which ones are refused, and which of our options a URL cannot overrule."""

import secrets

import pytest

from cogitate.server.cache import open_cache
from tests.fakes.redis_cache import open_redis_cache

pytest_plugins = ["tests.fakes.redis_server"]


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
def test_an_unusable_url_is_refused_in_one_line_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="^the Redis URL cannot be used") as refusal:
        open_cache(url, ttl=60, on_fault=lambda _: None)
    assert "hunter2" not in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert refusal.value.__context__ is None


async def test_a_url_cannot_overrule_timeouts_protocol_or_decoding(redis_url: str) -> None:
    options = "decode_responses=1&socket_timeout=60&protocol=3&max_connections=1&retry_on_timeout=1"
    async with open_redis_cache(f"{redis_url}?{options}") as (cache, faults):
        key = secrets.token_hex(32)
        await cache.put(key, b"\xff")
        assert await cache.get(key) == b"\xff"
        assert not faults
