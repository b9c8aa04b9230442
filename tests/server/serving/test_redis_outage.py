"""Answers kept in a real Redis, and a Redis that goes away while requests come."""

import re
import time

import pytest
import redis as redis_client

from cogitate.server.cache import open_cache
from tests.fakes.live_server import eventually, live
from tests.fakes.redis_server import RedisServer
from tests.fakes.scripted import ScriptedEngine

pytestmark = pytest.mark.live


@pytest.fixture
def redis():
    with RedisServer() as server:
        yield server


def cache(redis, faults):
    return open_cache(redis.url, ttl=60, on_fault=faults.append)


def stored(server):
    said = server.http.get(f"{server.url}/metrics").text
    return float(re.search(r'^cogitate_cache_total{result="stored"} (\S+)', said, re.MULTILINE)[1])


def test_two_servers_share_answers_and_every_key_expires(redis):
    engines = [ScriptedEngine(["\\boxed{42}"]) for _ in range(2)]
    for engine in engines:
        with live(engine, cache=cache(redis, [])) as server:
            answer = server.ask(strategy="self_consistency")
            assert answer.json()["cogitate"]["answer"] == "42"
    assert engines[1].calls == [] and answer.headers["x-cache"] == "hit"
    store = redis_client.Redis.from_url(redis.url)
    (key,) = store.keys()
    assert 0 < store.ttl(key) <= 60 and b"6*7" not in key
    store.close()


def test_a_redis_that_dies_fails_no_request(redis):
    faults = []
    with live(ScriptedEngine(["\\boxed{42}"]), cache=cache(redis, faults)) as server:
        assert server.ask(strategy="self_consistency").status_code == 200
        redis.kill()
        began = time.monotonic()
        answers = [server.ask(strategy="self_consistency") for _ in range(20)]
        assert {answer.status_code for answer in answers} == {200}
        assert time.monotonic() - began < 5 and "unavailable" in faults


def test_garbage_in_redis_is_a_miss_and_is_mended(redis):
    faults = []
    with live(ScriptedEngine(["\\boxed{42}"]), cache=cache(redis, faults)) as server:
        server.ask(strategy="self_consistency")
        store = redis_client.Redis.from_url(redis.url)
        eventually(lambda: stored(server) == 1 and not server.service.jobs.background)
        (key,) = store.keys()
        store.set(key, b"cos\nsystem\n(S'true'\ntR.")
        assert server.ask(strategy="self_consistency").headers.get("x-cache") is None
        assert faults == ["corrupt"]
        eventually(lambda: server.ask(strategy="self_consistency").headers.get("x-cache") == "hit")
        store.close()


def test_an_answer_counts_as_stored_only_where_redis_took_it(redis):
    with live(ScriptedEngine(["\\boxed{42}"]), cache=cache(redis, [])) as server:
        server.ask(strategy="self_consistency")
        eventually(lambda: stored(server) == 1)
        redis.do("ACL", "SETUSER", "default", "-set")
        assert server.ask(strategy="self_consistency", cache="refresh").status_code == 200
        eventually(lambda: not server.service.jobs.background)
        assert stored(server) == 1
