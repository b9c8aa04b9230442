"""Two servers over one real Redis: cancels, calls for an answer, traces and idempotency keys reach across processes."""

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import orjson
import pytest
import redis as redis_client

from cogitate.server.auth.caller import Caller
from cogitate.server.auth.keys import create_key
from cogitate.server.cache import NoPeers, RedisCache
from cogitate.server.cache.pubsub_rpc import RedisPeerRpc
from cogitate.server.serving.job import Job, JobReader
from cogitate.server.serving.jobs import Jobs
from cogitate.server.serving.peers import Peers
from cogitate.strategies.core.event_log import EventLog
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.prompts import FINAL_ANSWER
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import Sampling
from tests.fakes.live_server import Live, eventually, live
from tests.fakes.redis_cache import PATIENT_SECONDS

pytest_plugins = ["tests.fakes.redis_server"]
pytestmark = pytest.mark.live
VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "none"}


@contextmanager
def run_servers(redis_url: str, *engines: ScriptedEngine, api_keys_file: Path | None = None) -> Iterator[list[Live]]:
    """One server for each engine, with a secret of their own: values of other tests in this Redis are not theirs."""
    faults: list[str] = []
    secret = secrets.token_hex(32).encode()
    with ExitStack() as stack:
        secret_file = Path(stack.enter_context(TemporaryDirectory()), "secret")
        secret_file.write_bytes(secret)
        servers = []
        for engine in engines:
            rpc = RedisPeerRpc(
                redis_url, on_fault=faults.append, secret=secret, timeout=PATIENT_SECONDS, reply_seconds=20
            )
            cache = RedisCache(redis_url, ttl=60, on_fault=faults.append, secret=secret, timeout=PATIENT_SECONDS)
            servers.append(
                stack.enter_context(
                    live(engine, cache=cache, rpc=rpc, api_keys_file=api_keys_file, cache_secret_file=secret_file)
                )
            )
            eventually(lambda rpc=rpc: rpc.is_connected)
        yield servers
        assert faults == []


def answering(number: int, pace: float = 0.0) -> ScriptedEngine:
    return ScriptedEngine([f"so it is \\boxed{{{number}}}"], pace=pace)


def cancel(server: Live, name: str, **headers: str) -> httpx.Response:
    return httpx.post(f"{server.url}/v1/requests/{name}/cancel", headers=headers, timeout=5)


def get_trace(server: Live, name: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{server.url}/v1/traces/{name}", headers=headers, timeout=5)


def list_readers(server: Live) -> list[JobReader]:
    return [reader for job in list(server.service.jobs.live) for reader in list(job.readers)]


def test_a_request_is_cancelled_and_traced_by_id_at_another_server(redis_url):
    with run_servers(redis_url, answering(1, pace=30), answering(2)) as (first, second), ThreadPoolExecutor(1) as pool:
        asked = pool.submit(first.ask, headers={"X-Request-Id": "mine"}, strategy=VOTE)
        eventually(lambda: first.engine.running)
        eventually(lambda: get_trace(second, "mine").status_code == 200)
        assert get_trace(second, "mine").json()["status"] == "running"
        assert cancel(second, "yours").status_code == 404 and first.engine.running
        assert cancel(second, "mine").json() == {"id": "mine", "object": "request", "cancelled": True}
        assert asked.result(5).json()["error"]["code"] == "request_cancelled"
        eventually(lambda: first.engine.running == 0)
        assert cancel(second, "mine").status_code == 404
        eventually(lambda: get_trace(second, "mine").content == get_trace(first, "mine").content)
        assert get_trace(second, "mine").json()["status"] == "request_cancelled"


def test_requests_with_one_id_at_two_servers_are_both_cancelled(redis_url):
    engines = answering(1, pace=30), answering(2, pace=30)
    with run_servers(redis_url, *engines) as servers, ThreadPoolExecutor(2) as pool:
        asks = [
            pool.submit(server.ask, headers={"X-Request-Id": "both"}, strategy=VOTE, cache="no-store")
            for server in servers
        ]
        eventually(lambda: all(server.engine.running for server in servers))
        assert cancel(servers[0], "both").status_code == 200
        assert {ask.result(5).status_code for ask in asks} == {499}


def test_a_tenant_reaches_only_its_own_requests_at_another_server(redis_url, tmp_path):
    keys = tmp_path / "keys"
    mine, colleague, stranger = (f"Bearer {create_key(keys, tenant)}" for tenant in ("a", "a", "b"))
    servers = run_servers(redis_url, answering(1, pace=30), answering(2), api_keys_file=keys)
    with servers as (first, second), ThreadPoolExecutor(1) as pool:
        headers = {"X-Request-Id": "r1", "Authorization": mine}
        asked = pool.submit(first.ask, headers=headers, strategy=VOTE)
        eventually(lambda: first.engine.running)
        eventually(lambda: get_trace(second, "r1", Authorization=mine).status_code == 200)
        assert get_trace(second, "r1", Authorization=stranger).status_code == 404
        assert cancel(second, "r1", Authorization=stranger).status_code == 404 and first.engine.running
        assert get_trace(second, "r1", Authorization=mine).json()["request"]["messages"]
        assert get_trace(second, "r1", Authorization=colleague).json()["request"] is None
        assert cancel(second, "r1", Authorization=colleague).status_code == 200
        assert asked.result(5).status_code == 499


def think(prompt: Prompt, sampling: Sampling) -> str:
    """Thinks without end, and answers 42 where the thought is closed."""
    return " 42" if FINAL_ANSWER in prompt.prefix else "<think>" + " on" * 100_000


def ask_now(server: Live, name: str) -> int:
    return httpx.post(f"{server.url}/v1/requests/{name}/answer", timeout=5).status_code


def test_the_answer_of_a_search_at_another_server_is_asked_for_by_its_id(redis_url):
    engine = ScriptedEngine(think, pace=0.002)
    with run_servers(redis_url, engine, answering(2)) as (first, second), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(first.ask, headers={"X-Request-Id": "mine"}, strategy=VOTE, max_tokens=2000)
        eventually(lambda: engine.decoded > 50)
        assert ask_now(second, "yours") == 404 and ask_now(second, "mine") == 200
        found = waiting.result(5).json()["cogitate"]
        assert (found["stopped"], found["answer"]) == ("asked", "42") and second.engine.calls == []
        assert ask_now(second, "mine") == 200


@pytest.mark.parametrize("name", ["first", "second"])
def test_requests_that_joined_a_search_at_another_server_get_the_answer_that_one_of_them_asked_for(redis_url, name):
    engines = ScriptedEngine(think, pace=0.002), ScriptedEngine(think, pace=0.002)
    with run_servers(redis_url, *engines) as (first, second), ThreadPoolExecutor(2) as pool:
        asks = [pool.submit(first.ask, headers={"X-Request-Id": "first"}, strategy=VOTE, max_tokens=2000)]
        eventually(lambda: engines[0].decoded > 50)
        asks.append(pool.submit(second.ask, headers={"X-Request-Id": "second"}, strategy=VOTE, max_tokens=2000))
        eventually(lambda: list_readers(second))
        time.sleep(0.1)  # until it waits for the first server's search
        assert ask_now(first, name) == 200
        bodies = [ask.result(10).json() for ask in asks]
        assert {body["cogitate"]["stopped"] for body in bodies} == {"asked"} and engines[1].calls == []
        assert bodies[0]["usage"] == bodies[1]["usage"]
        again = pool.submit(second.ask, headers={"X-Request-Id": "again"}, strategy=VOTE, max_tokens=2000)
        eventually(lambda: engines[1].decoded > 50)
        assert ask_now(first, "again") == 200 and again.result(5).status_code == 200


MALFORMED = [
    b"",
    b"{}",
    b"[",
    b'["cancel"]',
    b'["cancel", 1, "a"]',
    b'["quit", "", ""]',
    b'["answer", "t"]',
    b'["answer", "t", ["a"]]',
    b'["answer keys", 1, {}]',
]


@pytest.mark.parametrize("payload", MALFORMED)
async def test_a_malformed_peer_message_is_ignored(payload):
    assert not Peers(NoPeers(), Jobs(8))._handle(payload)


async def test_a_peer_message_cancels_the_request_it_names():
    jobs = Jobs(8)

    async def wait_forever(job: Job[str]) -> str:
        await job.record.wait()
        return ""

    job = jobs.start(EventLog[str](), wait_forever)
    with job.read(Caller("t", "", "a")):
        assert not Peers(NoPeers(), jobs)._handle(b'["cancel", "t", "b"]')
        assert Peers(NoPeers(), jobs)._handle(b'["cancel", "t", "a"]')
        await job.wait()
    assert job.is_cancelled


@pytest.mark.parametrize("fields", [{"strategy": VOTE}, {"strategy": VOTE, "stream": True}, {}, {"stream": True}])
def test_another_server_replays_the_response_to_an_idempotency_key_byte_for_byte(redis_url, fields):
    with run_servers(redis_url, answering(1), answering(2)) as servers:
        key, asked = {"Idempotency-Key": "k"}, {"cache": "no-store"} | fields
        first = servers[0].ask(headers=key, **asked)
        again = [server.ask(headers=key, **asked) for server in reversed(servers)]
        assert {answer.content for answer in again} == {first.content} and b"boxed{1}" in first.content
        assert {a.headers["content-type"] for a in again} == {first.headers["content-type"]}
        assert servers[1].engine.calls == []
        for change in ({"seed": 1}, {"stream": not asked.get("stream", False)}):
            refused = servers[1].ask(headers=key, **(asked | change))
            assert (refused.status_code, refused.json()["error"]["code"]) == (422, "idempotency_key_reused")


def test_a_replayed_and_a_cached_answer_have_the_trace_of_the_search_at_another_server(redis_url):
    with run_servers(redis_url, answering(1), answering(2)) as servers:
        servers[0].ask(strategy=VOTE, headers={"X-Request-Id": "found", "Idempotency-Key": "k"})
        servers[1].ask(strategy=VOTE, headers={"X-Request-Id": "again", "Idempotency-Key": "k"})
        eventually(lambda: servers[1].ask(strategy=VOTE, headers={"X-Request-Id": "hit"}).headers.get("x-cache"))
        search = get_trace(servers[0], "found").json()
        assert search["status"] == "completed" and search["events"]
        for server in servers:
            for name in ("again", "hit"):
                eventually(lambda server=server, name=name: get_trace(server, name).json() == search)


def test_a_cached_answer_whose_trace_is_gone_everywhere_has_status_cached(redis_server):
    with run_servers(redis_server.url, answering(1), answering(2)) as servers:
        servers[0].ask(strategy=VOTE, headers={"X-Request-Id": "found", "Idempotency-Key": "k"})
        servers[1].ask(strategy=VOTE, headers={"X-Request-Id": "again", "Idempotency-Key": "k"})
        eventually(lambda: servers[1].ask(strategy=VOTE, headers={"X-Request-Id": "hit"}).headers.get("x-cache"))
        eventually(lambda: not any(server.service.jobs.background for server in servers))
        servers[0].service.traces.store.clear()
        redis_server.do("FLUSHALL")
        traces = [get_trace(servers[1], name).json() for name in ("again", "hit")]
        assert [trace["status"] for trace in traces] == ["cached"] * 2 and traces[0]["request"] is None
        assert get_trace(servers[0], "found").status_code == 404


def test_a_request_that_waited_for_another_server_has_the_trace_of_its_search(redis_url):
    with (
        run_servers(redis_url, answering(1, pace=0.1), answering(2)) as (first, second),
        ThreadPoolExecutor(1) as pool,
    ):
        asked = pool.submit(first.ask, headers={"X-Request-Id": "first"}, strategy=VOTE)
        eventually(lambda: first.engine.running)
        body = second.ask(headers={"X-Request-Id": "second"}, strategy=VOTE).json()
        assert body["choices"] == asked.result(10).json()["choices"] and body["cogitate"]["trace_id"] == "second"
        eventually(lambda: get_trace(second, "second").json() == get_trace(first, "first").json())
        assert get_trace(second, "second").json()["status"] == "completed"


def test_two_requests_that_joined_a_search_at_another_server_both_have_its_trace(redis_url):
    with (
        run_servers(redis_url, answering(1, pace=0.1), answering(2)) as (first, second),
        ThreadPoolExecutor(3) as pool,
    ):
        asked = pool.submit(first.ask, headers={"X-Request-Id": "first"}, strategy=VOTE)
        eventually(lambda: first.engine.running)
        joined = [pool.submit(second.ask, headers={"X-Request-Id": name}, strategy=VOTE) for name in "ab"]
        assert {ask.result(10).status_code for ask in [asked, *joined]} == {200} and second.engine.calls == []
        search = get_trace(first, "first").json()
        for name in "ab":
            eventually(lambda name=name: get_trace(second, name).json() == search)


def test_an_idempotency_key_repeats_a_cached_answer_byte_for_byte(redis_url):
    with run_servers(redis_url, answering(1), answering(2)) as servers:
        servers[0].ask(strategy=VOTE)
        eventually(lambda: servers[1].ask(strategy=VOTE).headers.get("x-cache") == "hit")
        bodies = {server.ask(headers={"Idempotency-Key": "k"}, strategy=VOTE).content for server in servers}
        assert len(bodies) == 1


def test_the_responses_api_is_replayed_and_its_key_is_refused_at_another_endpoint(redis_url):
    with run_servers(redis_url, answering(1), answering(2)) as servers:
        for stream in (False, True):
            key = {"Idempotency-Key": f"k{stream}"}
            asked = {"model": "scripted", "input": "What is 6*7?", "strategy": VOTE, "stream": stream}
            answers = [server.http.post(f"{server.url}/v1/responses", json=asked, headers=key) for server in servers]
            assert answers[0].content == answers[1].content and answers[0].status_code == 200
            assert servers[1].ask(headers=key, strategy=VOTE).status_code == 422
        assert servers[1].engine.calls == []


def test_a_duplicate_waits_for_the_run_at_another_server_and_can_leave_or_be_cancelled(redis_url):
    with (
        run_servers(redis_url, answering(1, pace=0.4), answering(2)) as (first, second),
        ThreadPoolExecutor(3) as pool,
    ):
        key = {"Idempotency-Key": "k"}
        asked = pool.submit(first.ask, headers=key, strategy=VOTE)
        eventually(lambda: first.engine.running)
        assert second.ask(headers=key, strategy="best_of_n").status_code == 422
        waiting = pool.submit(second.ask, headers=key, strategy=VOTE)
        named = pool.submit(second.ask, headers=key | {"X-Request-Id": "w"}, strategy=VOTE)
        with pytest.raises(httpx.TimeoutException):
            second.ask(timeout=0.2, headers=key, strategy=VOTE)
        eventually(lambda: any(reader.caller.request_id == "w" for reader in list_readers(second)))
        assert cancel(first, "w").status_code == 200 and named.result(5).status_code == 499
        assert waiting.result(10).content == asked.result(10).content and second.engine.calls == []


def test_another_server_retries_a_key_whose_request_failed(redis_url):
    failing = ScriptedEngine([SampleFailed("gone")])
    with run_servers(redis_url, failing, answering(2)) as servers:
        key = {"Idempotency-Key": "k"}
        assert [server.ask(headers=key, strategy=VOTE).status_code for server in servers] == [502, 200]
        assert servers[0].ask(headers=key, strategy=VOTE).json()["cogitate"]["answer"] == "2"


def test_a_key_whose_request_failed_may_be_used_with_another_body(redis_url):
    one = VOTE | {"n": 1}
    failing, slow = ScriptedEngine([SampleFailed("gone")]), answering(2, pace=0.4)
    with (
        run_servers(redis_url, failing, slow, answering(3)) as (first, second, third),
        ThreadPoolExecutor(1) as pool,
    ):
        key = {"Idempotency-Key": "k"}
        assert first.ask(headers=key, strategy=VOTE).status_code == 502
        asked = pool.submit(second.ask, headers=key, strategy=one)
        eventually(lambda: second.engine.running)
        assert first.ask(headers=key, strategy=VOTE).status_code == 422
        assert third.ask(headers=key, strategy=one).content == asked.result(10).content


def test_everything_in_redis_expires_and_reveals_neither_key_nor_question(redis_server):
    with run_servers(redis_server.url, answering(1), answering(2)) as (first, _):
        first.ask(headers={"Idempotency-Key": "order-4711"}, strategy=VOTE, cache="no-store")
        with redis_client.Redis.from_url(redis_server.url) as store:
            eventually(lambda: len(store.keys()) == 6 and not first.service.jobs.background)
            names = store.keys()
            assert all(0 < store.ttl(name) <= 600 for name in names)
            content = b"".join([*names, *store.mget(names)])
            assert b"order-4711" not in content and b"What is 6*7?" not in content


def test_a_search_is_listed_and_followed_at_another_server(redis_url):
    engines = answering(1, pace=0.3), answering(2)
    with run_servers(redis_url, *engines) as (first, second), ThreadPoolExecutor(1) as pool:
        second.ask(headers={"X-Request-Id": "before"}, strategy=VOTE, cache="no-store")
        asked = pool.submit(first.ask, headers={"X-Request-Id": "mine"}, strategy=VOTE, cache="no-store")
        eventually(lambda: get_trace(second, "mine").status_code == 200)
        followed = httpx.get(f"{second.url}/v1/traces/mine/events", timeout=20).text
        trace = get_trace(second, "mine").json()
        assert trace["status"] == "completed" and asked.result(5).status_code == 200
        data = [line[6:] for line in followed.splitlines() if line.startswith("data: ")]
        assert [orjson.loads(line) for line in data[:-1]] == trace["events"] and data[-1] == "[DONE]"

        def listed(server: Live) -> list[str]:
            return [each["id"] for each in httpx.get(f"{server.url}/v1/traces").json()["data"]]

        for server in (first, second):
            eventually(lambda server=server: sorted(listed(server)) == ["before", "mine"])
