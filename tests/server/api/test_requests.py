"""Cancellation, idempotency keys, single flight and traces, over a real socket."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from cogitate.server.auth.keys import create_key
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import eventually, live

pytestmark = pytest.mark.live
VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "none"}


def answers(*numbers, pace=0.0):
    return ScriptedEngine([f"so it is \\boxed{{{number}}}" for number in numbers], pace=pace)


def cancel(server, name):
    return httpx.post(f"{server.url}/v1/requests/{name}/cancel", timeout=5)


def fetch_trace(server, name, **headers):
    return httpx.get(f"{server.url}/v1/traces/{name}", headers=headers, timeout=5)


@pytest.mark.parametrize("fields", [{"strategy": VOTE}, {}])
@pytest.mark.parametrize("stream", [False, True])
def test_request_is_cancelled_by_its_id(fields, stream):
    with live(answers(1, pace=30)) as server, ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.ask, headers={"X-Request-Id": "mine"}, stream=stream, **fields)
        eventually(lambda: server.engine.running)
        assert cancel(server, "yours").status_code == 404
        trace = cancel(server, "mine")
        assert (trace.status_code, trace.json()["cancelled"]) == (200, True)
        eventually(lambda: server.engine.running == 0)
        answer = running.result(5)
        if answer.status_code == 200:
            last = [line for line in answer.text.split("\n\n") if line.startswith("data: ")][-1]
            assert json.loads(last[6:])["error"]["code"] == "request_cancelled" and "[DONE]" not in answer.text
        else:
            assert (answer.status_code, answer.json()["error"]["code"]) == (499, "request_cancelled")
            assert answer.headers["x-should-retry"] == "false"
        assert cancel(server, "mine").status_code == 404


def test_tenant_cancels_and_reads_only_its_own_requests(tmp_path):
    keys = tmp_path / "keys"
    mine, colleague, other = (create_key(keys, tenant) for tenant in ("a", "a", "b"))
    with live(answers(42), api_keys_file=keys) as server:
        headers = {"X-Request-Id": "r1", "Authorization": f"Bearer {mine}"}
        assert server.ask(headers=headers, strategy=VOTE, user="u").status_code == 200

        def fetch(key):
            return fetch_trace(server, "r1", Authorization=f"Bearer {key}")

        assert fetch(mine).json()["request"]["messages"][0]["content"] == "What is 6*7?"
        assert fetch(colleague).json()["request"] is None and fetch(colleague).json()["events"]
        assert fetch(other).status_code == 404
        bearer = {"Authorization": f"Bearer {other}"}
        assert httpx.post(f"{server.url}/v1/requests/r1/cancel", headers=bearer).status_code == 404


def test_repeated_idempotency_key_runs_once_and_returns_the_same_bytes():
    with live(answers(1, 2, 3, 4, pace=0.02)) as server, ThreadPoolExecutor(2) as pool:
        headers = {"Idempotency-Key": "k1"}
        both = [pool.submit(server.ask, headers=headers, strategy=VOTE, cache="no-store") for _ in range(2)]
        first, second = (answer.result(10) for answer in both)
        third = server.ask(headers=headers, strategy=VOTE, cache="no-store")
        assert first.content == second.content == third.content and len(server.engine.calls) == 4
        assert first.headers["x-request-id"] != second.headers["x-request-id"]


@pytest.mark.parametrize("fields", [{"strategy": VOTE}, {}])
def test_repeated_idempotency_key_replays_a_stream(fields):
    with live(answers(1)) as server:
        first, again = (server.ask(headers={"Idempotency-Key": "k"}, stream=True, **fields) for _ in range(2))
        assert first.text == again.text and first.text.endswith("data: [DONE]\n\n")
        assert len(server.engine.calls) == (4 if fields else 1)


def test_idempotency_key_with_another_body_is_rejected_without_a_run():
    with live(answers(1)) as server:
        server.ask(headers={"Idempotency-Key": "k"}, strategy=VOTE)
        refused = server.ask(headers={"Idempotency-Key": "k"}, strategy="best_of_n")
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "idempotency_key_reused")
        assert server.ask(headers={"Idempotency-Key": "k" * 256}).status_code == 400
        assert len(server.engine.calls) == 4


def test_idempotency_key_of_a_failure_runs_again():
    with live(ScriptedEngine([SampleFailed("gone"), "\\boxed{1}"])) as server:
        one = {"name": "self_consistency", "n": 1}
        statuses = [server.ask(headers={"Idempotency-Key": "k"}, strategy=one).status_code for _ in range(3)]
        assert statuses == [502, 200, 200] and len(server.engine.calls) == 2


def test_equal_concurrent_requests_run_once():
    with live(answers(42, pace=0.05)) as server, ThreadPoolExecutor(20) as pool:
        running = [pool.submit(server.ask, strategy=VOTE, headers={"X-Request-Id": f"r{at}"}) for at in range(20)]
        bodies = [answer.result(10).json() for answer in running]
        assert len(server.engine.calls) == 4 and {body["cogitate"]["answer"] for body in bodies} == {"42"}
        assert len({body["id"] for body in bodies}) == 20
        assert {body["cogitate"]["trace_id"] for body in bodies} == {f"r{at}" for at in range(20)}
        assert all(fetch_trace(server, f"r{at}").status_code == 200 for at in range(20))


def test_first_of_equal_requests_may_disconnect():
    with live(answers(42, pace=0.1)) as server, ThreadPoolExecutor(3) as pool:
        first = pool.submit(server.ask, timeout=0.15, strategy=VOTE)
        eventually(lambda: server.engine.running)
        rest = [pool.submit(server.ask, strategy=VOTE) for _ in range(2)]
        with pytest.raises(httpx.TimeoutException):
            first.result(5)
        assert [answer.result(10).status_code for answer in rest] == [200, 200] and len(server.engine.calls) == 4


def test_trace_holds_the_complete_search():
    with live(answers(1, 2, 2, 2)) as server:
        body = server.ask(strategy=VOTE, headers={"X-Request-Id": "abc"}).json()
        trace = fetch_trace(server, "abc").json()
        assert trace["status"] == "completed" and trace["strategy"]["n"] == 4
        assert trace["usage"]["completion_tokens"] == body["usage"]["completion_tokens"] == server.engine.decoded
        kinds = [event["kind"] for event in trace["events"]]
        assert kinds.count("start") == kinds.count("decode") == kinds.count("vote") == 4 and kinds[-1] == "end"
        assert next(event["text"] for event in trace["events"] if event["kind"] == "decode") == "so it is \\boxed{1}"
        times = [event["at"] for event in trace["events"]]
        assert times == sorted(times) and times[0] >= 0


def test_trace_is_available_while_the_search_runs():
    with live(ScriptedEngine(["\\boxed{1}"], pace=lambda call: 0.0 if call == 0 else 30)) as server:
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(server.ask, strategy=VOTE, headers={"X-Request-Id": "now"})
            eventually(lambda: "decode" in str(fetch_trace(server, "now").json().get("events")))
            trace = fetch_trace(server, "now").json()
            assert trace["status"] == "running" and trace["events"][0]["kind"] == "start"
            assert trace["answer"] is trace["stopped"] is None
            cancel(server, "now")
            running.result(5)
        assert fetch_trace(server, "now").json()["status"] == "request_cancelled"


def test_trace_of_a_failed_search_has_its_status():
    with live(ScriptedEngine([SampleFailed("gone")])) as server:
        server.ask(strategy=VOTE, headers={"X-Request-Id": "bad"})
        trace = fetch_trace(server, "bad").json()
        assert trace["status"] == "engine_error"
        assert {event["kind"] for event in trace["events"]} == {"start", "failure"}


def test_cache_bytes_limits_stored_traces():
    with live(answers(42), cache_bytes=20_000) as server:
        for name in map(str, range(8)):
            server.ask(strategy="self_consistency", cache="no-store", headers={"X-Request-Id": name})
        assert fetch_trace(server, "0").status_code == 404 and fetch_trace(server, "7").status_code == 200
        assert server.service.traces.store.size <= 20_000


def test_no_reader_waits_after_a_cancellation():
    with live(answers(1, pace=0.05)) as server:
        done = threading.Event()

        def hang_up():
            with pytest.raises(httpx.TimeoutException):
                server.ask(timeout=0.02, strategy=VOTE)
            done.set()

        threads = [threading.Thread(target=hang_up) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
        assert done.is_set()
        eventually(lambda: not server.service.jobs.live and server.engine.running == 0)
        assert not server.service.dispatcher.running and not server.service.traces.running
