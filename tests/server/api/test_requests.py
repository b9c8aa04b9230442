"""Cancelling by name, idempotency keys, single flight and traces, over a real socket."""

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


def traced(server, name, **headers):
    return httpx.get(f"{server.url}/v1/traces/{name}", headers=headers, timeout=5)


@pytest.mark.parametrize("fields", [{"strategy": VOTE}, {}])
@pytest.mark.parametrize("stream", [False, True])
def test_a_request_is_cancelled_by_its_name(fields, stream):
    with live(answers(1, pace=30)) as server, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.ask, headers={"X-Request-Id": "mine"}, stream=stream, **fields)
        eventually(lambda: server.engine.running)
        assert cancel(server, "yours").status_code == 404
        told = cancel(server, "mine")
        assert (told.status_code, told.json()["cancelled"]) == (200, True)
        eventually(lambda: server.engine.running == 0, 1)
        answer = asked.result(5)
        if answer.status_code == 200:
            last = [line for line in answer.text.split("\n\n") if line.startswith("data: ")][-1]
            assert json.loads(last[6:])["error"]["code"] == "request_cancelled" and "[DONE]" not in answer.text
        else:
            assert (answer.status_code, answer.json()["error"]["code"]) == (499, "request_cancelled")
            assert answer.headers["x-should-retry"] == "false"
        assert cancel(server, "mine").status_code == 404


def test_a_tenant_cancels_and_reads_only_its_own(tmp_path):
    keys = tmp_path / "keys"
    mine, colleague, other = (create_key(keys, tenant) for tenant in ("a", "a", "b"))
    with live(answers(42), api_keys_file=keys) as server:
        headers = {"X-Request-Id": "r1", "Authorization": f"Bearer {mine}"}
        assert server.ask(headers=headers, strategy=VOTE, user="u").status_code == 200

        def seen(key):
            return traced(server, "r1", Authorization=f"Bearer {key}")

        assert seen(mine).json()["request"]["messages"][0]["content"] == "What is 6*7?"
        assert seen(colleague).json()["request"] is None and seen(colleague).json()["events"]
        assert seen(other).status_code == 404
        bearer = {"Authorization": f"Bearer {other}"}
        assert httpx.post(f"{server.url}/v1/requests/r1/cancel", headers=bearer).status_code == 404


def test_the_same_key_twice_is_one_run_and_the_same_bytes():
    with live(answers(1, 2, 3, 4, pace=0.02)) as server, ThreadPoolExecutor(2) as pool:
        headers = {"Idempotency-Key": "k1"}
        both = [pool.submit(server.ask, headers=headers, strategy=VOTE, cache="no-store") for _ in range(2)]
        first, second = (answer.result(10) for answer in both)
        third = server.ask(headers=headers, strategy=VOTE, cache="no-store")
        assert first.content == second.content == third.content and len(server.engine.calls) == 4
        assert first.headers["x-request-id"] != second.headers["x-request-id"]


@pytest.mark.parametrize("fields", [{"strategy": VOTE}, {}])
def test_a_stream_is_repeated_too(fields):
    with live(answers(1)) as server:
        first, again = (server.ask(headers={"Idempotency-Key": "k"}, stream=True, **fields) for _ in range(2))
        assert first.text == again.text and first.text.endswith("data: [DONE]\n\n")
        assert len(server.engine.calls) == (4 if fields else 1)


def test_a_key_with_another_body_is_refused_and_without_a_run():
    with live(answers(1)) as server:
        server.ask(headers={"Idempotency-Key": "k"}, strategy=VOTE)
        refused = server.ask(headers={"Idempotency-Key": "k"}, strategy="best_of_n")
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "idempotency_key_reused")
        assert server.ask(headers={"Idempotency-Key": "k" * 256}).status_code == 400
        assert len(server.engine.calls) == 4


def test_a_failure_is_tried_again():
    with live(ScriptedEngine([SampleFailed("gone"), "\\boxed{1}"])) as server:
        one = {"name": "self_consistency", "n": 1}
        statuses = [server.ask(headers={"Idempotency-Key": "k"}, strategy=one).status_code for _ in range(3)]
        assert statuses == [502, 200, 200] and len(server.engine.calls) == 2


def test_the_same_question_asked_by_many_at_once_is_answered_once():
    with live(answers(42, pace=0.05)) as server, ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(server.ask, strategy=VOTE, headers={"X-Request-Id": f"r{at}"}) for at in range(20)]
        bodies = [answer.result(10).json() for answer in asked]
        assert len(server.engine.calls) == 4 and {body["cogitate"]["answer"] for body in bodies} == {"42"}
        assert len({body["id"] for body in bodies}) == 20
        assert {body["cogitate"]["trace_id"] for body in bodies} == {f"r{at}" for at in range(20)}
        assert all(traced(server, f"r{at}").status_code == 200 for at in range(20))


def test_who_asked_first_may_leave_and_the_others_are_answered():
    with live(answers(42, pace=0.1)) as server, ThreadPoolExecutor(3) as pool:
        first = pool.submit(server.ask, timeout=0.15, strategy=VOTE)
        eventually(lambda: server.engine.running)
        rest = [pool.submit(server.ask, strategy=VOTE) for _ in range(2)]
        with pytest.raises(httpx.TimeoutException):
            first.result(5)
        assert [answer.result(10).status_code for answer in rest] == [200, 200] and len(server.engine.calls) == 4


def test_a_trace_tells_the_whole_search():
    with live(answers(1, 2, 2, 2)) as server:
        body = server.ask(strategy=VOTE, headers={"X-Request-Id": "abc"}).json()
        told = traced(server, "abc").json()
        assert told["status"] == "completed" and told["strategy"]["n"] == 4
        assert told["usage"]["completion_tokens"] == body["usage"]["completion_tokens"] == server.engine.decoded
        kinds = [event["event"] for event in told["events"]]
        assert kinds.count("sampled") == kinds.count("answer") == 4 and kinds[-1] == "finished"
        assert [event["text"] for event in told["events"] if event["event"] == "sampled"][0] == "so it is \\boxed{1}"
        times = [event["at"] for event in told["events"]]
        assert times == sorted(times) and times[0] >= 0


def test_a_trace_can_be_read_while_the_search_goes_on():
    with live(ScriptedEngine(["\\boxed{1}"], pace=lambda call: 0.0 if call == 0 else 30)) as server:
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(server.ask, strategy=VOTE, headers={"X-Request-Id": "now"})
            eventually(lambda: traced(server, "now").status_code == 200 and traced(server, "now").json()["events"])
            running = traced(server, "now").json()
            assert running["status"] == "running" and running["events"][0]["event"] == "sampled"
            cancel(server, "now")
            asked.result(5)
        assert traced(server, "now").json()["status"] == "request_cancelled"


def test_a_failed_search_is_told_as_one():
    with live(ScriptedEngine([SampleFailed("gone")])) as server:
        server.ask(strategy=VOTE, headers={"X-Request-Id": "bad"})
        told = traced(server, "bad").json()
        assert told["status"] == "engine_error" and {event["event"] for event in told["events"]} == {"failed"}


def test_the_operator_says_how_much_is_kept():
    with live(answers(42), cache_bytes=4096) as server:
        for name in map(str, range(8)):
            server.ask(strategy="self_consistency", cache="no-store", headers={"X-Request-Id": name})
        assert traced(server, "0").status_code == 404 and traced(server, "7").status_code == 200
        assert server.service.traces.store.size <= 8192


def test_nobody_is_left_waiting():
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
        eventually(lambda: not server.service.jobs.live and server.engine.running == 0, 1)
        assert not server.service.dispatcher.running and not server.service.traces.running
