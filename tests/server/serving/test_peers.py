"""Two servers over one real Redis: cancels and traces by name, and idempotency keys, at the one and at the other."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
import redis as redis_client

from cogitate.server.auth.caller import Caller
from cogitate.server.auth.keys import new_key
from cogitate.server.cache import Alone, RedisCache
from cogitate.server.cache.pubsub_rpc import RedisLine
from cogitate.server.serving.jobs import Jobs
from cogitate.server.serving.peers import Others
from cogitate.strategies.core.ports import SampleFailed
from tests.fakes.live_server import Live, eventually, live
from tests.fakes.redis_cache import PATIENT
from tests.fakes.scripted import ScriptedEngine

pytest_plugins = ["tests.fakes.redis_server"]
pytestmark = pytest.mark.live
VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "none"}


@contextmanager
def pair(redis_url: str, *engines: ScriptedEngine, api_keys_file: Path | None = None) -> Iterator[list[Live]]:
    """With a secret of their own, so that what other tests keep in this Redis is not theirs."""
    faults: list[str] = []
    secret = secrets.token_bytes(32)
    with ExitStack() as stack:
        servers = []
        for engine in engines:
            line = RedisLine(redis_url, on_fault=faults.append, secret=secret, timeout=PATIENT, patience=20)
            cache = RedisCache(redis_url, ttl=60, on_fault=faults.append, secret=secret, timeout=PATIENT)
            servers.append(stack.enter_context(live(engine, cache=cache, line=line, api_keys_file=api_keys_file)))
            eventually(lambda line=line: line.hears)
        yield servers
        assert faults == []


def says(number: int, pace: float = 0.0) -> ScriptedEngine:
    return ScriptedEngine([f"so it is \\boxed{{{number}}}"], pace=pace)


def cancel(server: Live, name: str, **headers: str) -> httpx.Response:
    return httpx.post(f"{server.url}/v1/requests/{name}/cancel", headers=headers, timeout=5)


def traced(server: Live, name: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{server.url}/v1/traces/{name}", headers=headers, timeout=5)


def test_a_request_is_cancelled_and_told_of_by_name_at_the_other_server(redis_url):
    with pair(redis_url, says(1, pace=30), says(2)) as (first, second), ThreadPoolExecutor(1) as pool:
        asked = pool.submit(first.ask, headers={"X-Request-Id": "mine"}, strategy=VOTE)
        eventually(lambda: first.engine.running)
        assert traced(second, "mine").json()["status"] == "running"
        assert cancel(second, "yours").status_code == 404 and first.engine.running
        assert cancel(second, "mine").json() == {"id": "mine", "object": "request", "cancelled": True}
        assert asked.result(5).json()["error"]["code"] == "request_cancelled"
        eventually(lambda: first.engine.running == 0, 1)
        assert cancel(second, "mine").status_code == 404
        assert traced(second, "mine").content == traced(first, "mine").content


def test_requests_of_one_name_are_cancelled_at_both(redis_url):
    with pair(redis_url, says(1, pace=30), says(2, pace=30)) as servers, ThreadPoolExecutor(2) as pool:
        asks = [
            pool.submit(server.ask, headers={"X-Request-Id": "both"}, strategy=VOTE, cache="no-store")
            for server in servers
        ]
        eventually(lambda: all(server.engine.running for server in servers))
        assert cancel(servers[0], "both").status_code == 200
        assert {ask.result(5).status_code for ask in asks} == {499}


def test_a_tenant_reaches_only_its_own_at_the_other_server(redis_url, tmp_path):
    keys = tmp_path / "keys"
    mine, colleague, other = (f"Bearer {new_key(keys, tenant)}" for tenant in ("a", "a", "b"))
    servers = pair(redis_url, says(1, pace=30), says(2), api_keys_file=keys)
    with servers as (first, second), ThreadPoolExecutor(1) as pool:
        headers = {"X-Request-Id": "r1", "Authorization": mine}
        asked = pool.submit(first.ask, headers=headers, strategy=VOTE)
        eventually(lambda: first.engine.running)
        assert traced(second, "r1", Authorization=other).status_code == 404
        assert cancel(second, "r1", Authorization=other).status_code == 404 and first.engine.running
        assert traced(second, "r1", Authorization=mine).json()["request"]["messages"]
        assert traced(second, "r1", Authorization=colleague).json()["request"] is None
        assert cancel(second, "r1", Authorization=colleague).status_code == 200
        assert asked.result(5).status_code == 499


@pytest.mark.parametrize(
    "question", [b"", b"{}", b"[", b'["cancel"]', b'["cancel", 1, "", "a"]', b'["quit", "", "", ""]']
)
async def test_what_is_no_question_is_not_answered(question):
    assert Others(Alone(), Jobs(8), lambda _: b"{}")._answer(question) is None


async def test_a_trace_is_asked_of_the_others_only_where_it_is_not_here():
    others = Others(Alone(), Jobs(8), lambda caller: b"here" if caller.request_id == "a" else None)
    assert await others.trace(Caller("t", "", "a")) == b"here" and await others.trace(Caller("t", "", "b")) is None
    assert others._answer(b'["trace", "t", "", "a"]') == b"here"


@pytest.mark.parametrize("fields", [{"strategy": VOTE}, {"strategy": VOTE, "stream": True}, {}, {"stream": True}])
def test_an_idempotency_key_is_answered_byte_for_byte_by_the_other_server(redis_url, fields):
    with pair(redis_url, says(1), says(2)) as servers:
        key, asked = {"Idempotency-Key": "k"}, {"cache": "no-store"} | fields
        first = servers[0].ask(headers=key, **asked)
        again = [server.ask(headers=key, **asked) for server in reversed(servers)]
        assert {answer.content for answer in again} == {first.content} and b"boxed{1}" in first.content
        assert {a.headers["content-type"] for a in again} == {first.headers["content-type"]}
        assert servers[1].engine.calls == []
        for other in ({"seed": 1}, {"stream": not asked.get("stream", False)}):
            refused = servers[1].ask(headers=key, **(asked | other))
            assert (refused.status_code, refused.json()["error"]["code"]) == (422, "idempotency_key_reused")


def test_the_search_behind_a_repeated_or_a_cached_answer_is_told_by_whoever_has_it(redis_url):
    with pair(redis_url, says(1), says(2)) as servers:
        servers[0].ask(strategy=VOTE, headers={"X-Request-Id": "found", "Idempotency-Key": "k"})
        servers[1].ask(strategy=VOTE, headers={"X-Request-Id": "again", "Idempotency-Key": "k"})
        eventually(lambda: servers[1].ask(strategy=VOTE, headers={"X-Request-Id": "hit"}).headers.get("x-cache"))
        whole = traced(servers[0], "found").json()
        assert whole["status"] == "completed" and whole["events"]
        assert all(traced(servers[1], name).json() == whole for name in ("again", "hit"))
        servers[0].service.searches.traces.kept.clear()
        for server in servers:
            told = [traced(server, name).json() for name in ("again", "hit")]
            assert [trace["status"] for trace in told] == ["cached"] * 2 and told[0]["request"] is None


def test_who_waited_for_the_other_server_is_told_of_its_search(redis_url):
    with pair(redis_url, says(1, pace=0.1), says(2)) as (first, second), ThreadPoolExecutor(1) as pool:
        asked = pool.submit(first.ask, headers={"X-Request-Id": "first"}, strategy=VOTE)
        eventually(lambda: first.engine.running)
        body = second.ask(headers={"X-Request-Id": "second"}, strategy=VOTE).json()
        assert body["choices"] == asked.result(10).json()["choices"] and body["cogitate"]["trace_id"] == "second"
        assert traced(second, "second").json() == traced(first, "first").json()


def test_a_cached_answer_is_repeated_as_it_was_told(redis_url):
    with pair(redis_url, says(1), says(2)) as servers:
        servers[0].ask(strategy=VOTE)
        eventually(lambda: servers[1].ask(strategy=VOTE).headers.get("x-cache") == "hit")
        bodies = {server.ask(headers={"Idempotency-Key": "k"}, strategy=VOTE).content for server in servers}
        assert len(bodies) == 1


def test_responses_are_repeated_too_and_a_key_stays_with_its_endpoint(redis_url):
    with pair(redis_url, says(1), says(2)) as servers:
        for stream in (False, True):
            key = {"Idempotency-Key": f"k{stream}"}
            asked = {"model": "scripted", "input": "What is 6*7?", "strategy": VOTE, "stream": stream}
            told = [server.http.post(f"{server.url}/v1/responses", json=asked, headers=key) for server in servers]
            assert told[0].content == told[1].content and told[0].status_code == 200
            assert servers[1].ask(headers=key, strategy=VOTE).status_code == 422
        assert servers[1].engine.calls == []


def test_who_repeats_while_the_other_server_answers_waits_for_it_and_may_leave_or_be_cancelled(redis_url):
    with pair(redis_url, says(1, pace=0.2), says(2)) as (first, second), ThreadPoolExecutor(3) as pool:
        key = {"Idempotency-Key": "k"}
        asked = pool.submit(first.ask, headers=key, strategy=VOTE)
        eventually(lambda: first.engine.running)
        assert second.ask(headers=key, strategy="best_of_n").status_code == 422
        waiting = pool.submit(second.ask, headers=key, strategy=VOTE)
        named = pool.submit(second.ask, headers=key | {"X-Request-Id": "w"}, strategy=VOTE)
        with pytest.raises(httpx.TimeoutException):
            second.ask(timeout=0.2, headers=key, strategy=VOTE)
        assert cancel(first, "w").status_code == 200 and named.result(5).status_code == 499
        assert waiting.result(10).content == asked.result(10).content and second.engine.calls == []


def test_a_failure_is_tried_again_by_the_other_server(redis_url):
    failing = ScriptedEngine([SampleFailed("gone")])
    with pair(redis_url, failing, says(2)) as servers:
        key = {"Idempotency-Key": "k"}
        assert [server.ask(headers=key, strategy=VOTE).status_code for server in servers] == [502, 200]
        assert servers[0].ask(headers=key, strategy=VOTE).json()["cogitate"]["answer"] == "2"


def test_a_key_whose_request_failed_is_free_for_another_body(redis_url):
    one = VOTE | {"n": 1}
    failing, slow = ScriptedEngine([SampleFailed("gone")]), says(2, pace=0.2)
    with pair(redis_url, failing, slow, says(3)) as (first, second, third), ThreadPoolExecutor(1) as pool:
        key = {"Idempotency-Key": "k"}
        assert first.ask(headers=key, strategy=VOTE).status_code == 502
        asked = pool.submit(second.ask, headers=key, strategy=one)
        eventually(lambda: second.engine.running)
        assert first.ask(headers=key, strategy=VOTE).status_code == 422
        assert third.ask(headers=key, strategy=one).content == asked.result(10).content


def test_what_is_kept_of_a_repeat_ends_by_itself(redis_server):
    with pair(redis_server.url, says(1), says(2)) as (first, _):
        first.ask(headers={"Idempotency-Key": "order-4711"}, strategy=VOTE, cache="no-store")
        with redis_client.Redis.from_url(redis_server.url) as store:
            eventually(lambda: len(store.keys()) == 2 and not first.service.jobs.asides)
            names = store.keys()
            assert all(0 < store.ttl(name) <= 600 for name in names)
            assert b"4711" not in b"".join([*names, *store.mget(names)])
