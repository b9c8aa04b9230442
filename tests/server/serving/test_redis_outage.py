"""Answers cached in a real Redis, and a Redis that fails while requests come."""

import time

import pytest
import redis as redis_client

from cogitate.server.cache import Cache, RedisCache, open_cache
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import Live, eventually, live
from tests.fakes.redis_cache import PATIENT_SECONDS
from tests.fakes.redis_server import RedisServer

pytestmark = pytest.mark.live
TRACE_SECONDS = 600


@pytest.fixture
def redis():
    with RedisServer() as server:
        yield server


def open_test_cache(redis: RedisServer, faults: list[str]) -> Cache:
    return open_cache(redis.url, ttl=60, on_fault=faults.append)


def count_stored(server: Live) -> float:
    """Return the answers counted as stored; 0 before the series exists."""
    lines = server.http.get(f"{server.url}/metrics").text.splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith('cogitate_cache_total{result="stored"}'))


def find_answer_key(store: redis_client.Redis) -> bytes:
    """Return the one key with the time to live of answers that is no key of samples; the other keys are of traces."""
    (key,) = (key for key in store.scan_iter() if store.ttl(key) <= 60 and b":samples:" not in key)
    return key


def test_two_servers_share_answers_and_every_key_expires(redis):
    engines = [ScriptedEngine(["\\boxed{42}"]) for _ in range(2)]
    for engine in engines:
        with live(engine, cache=open_test_cache(redis, [])) as server:
            answer = server.ask(strategy="self_consistency")
            assert answer.json()["cogitate"]["answer"] == "42"
    assert engines[1].calls == [] and answer.headers["x-cache"] == "hit"
    with redis_client.Redis.from_url(redis.url) as store:
        assert find_answer_key(store)
        assert all(0 < store.ttl(key) <= TRACE_SECONDS and b"6*7" not in key for key in store.scan_iter())


def test_requests_are_answered_and_traced_after_redis_has_died(redis):
    faults = []
    with live(ScriptedEngine(["\\boxed{42}"]), cache=open_test_cache(redis, faults)) as server:
        assert server.ask(strategy="self_consistency").status_code == 200
        redis.kill()
        start = time.monotonic()
        answers = [server.ask(strategy="self_consistency") for _ in range(20)]
        assert {answer.status_code for answer in answers} == {200}
        assert time.monotonic() - start < 5 and "unavailable" in faults
        trace = server.http.get(f"{server.url}/v1/traces/{answers[-1].headers['x-request-id']}")
        assert trace.json()["status"] == "completed"


def test_garbage_in_redis_is_a_miss_and_is_replaced(redis):
    faults = []
    cache = RedisCache(redis.url, ttl=60, on_fault=faults.append, timeout=PATIENT_SECONDS)
    with live(ScriptedEngine(["\\boxed{42}"]), cache=cache) as server:
        server.ask(strategy="self_consistency")
        with redis_client.Redis.from_url(redis.url) as store:
            eventually(lambda: count_stored(server) == 1 and not server.service.jobs.background)
            store.set(find_answer_key(store), b"cos\nsystem\n(S'true'\ntR.")
        assert server.ask(strategy="self_consistency").headers.get("x-cache") is None
        assert faults == ["corrupt"]
        eventually(lambda: server.ask(strategy="self_consistency").headers.get("x-cache") == "hit")


def test_an_answer_counts_as_stored_only_where_redis_took_it(redis):
    with live(ScriptedEngine(["\\boxed{42}"]), cache=open_test_cache(redis, [])) as server:
        server.ask(strategy="self_consistency")
        eventually(lambda: count_stored(server) == 1)
        redis.do("ACL", "SETUSER", "default", "-set")
        assert server.ask(strategy="self_consistency", cache="refresh").status_code == 200
        eventually(lambda: not server.service.jobs.background)
        assert count_stored(server) == 1
