"""`POST /v1/requests/{id}/answer`, over a real socket."""

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from cogitate.server.auth.keys import create_key
from cogitate.strategies.core.prompts import FINAL_ANSWER
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import eventually, live

pytestmark = pytest.mark.live
VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "none"}
MINE = {"X-Request-Id": "mine"}


def thinker(pace=0.002):
    """An engine that thinks without end, and answers 42 where the thought is closed."""

    def reply(prompt, sampling):
        return " 42" if FINAL_ANSWER in prompt.prefix else "<think>" + " on" * 100_000

    return ScriptedEngine(reply, pace=pace)


def ask_now(server, name, **headers):
    return httpx.post(f"{server.url}/v1/requests/{name}/answer", headers=headers, timeout=5)


def read_events(response):
    return [json.loads(line[6:]) for line in response.text.split("\n\n") if line.startswith("data: {")]


@pytest.mark.parametrize("strategy", ["chain_of_thought", "self_consistency", "budget_forcing", "beam_search"])
def test_a_search_ends_with_its_best_so_far_and_an_exact_bill(strategy):
    with live(thinker()) as server, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.ask, headers=MINE, strategy=strategy, max_tokens=2000)
        eventually(lambda: server.engine.decoded > 50)
        asked = ask_now(server, "mine")
        assert (asked.status_code, asked.json()) == (200, {"id": "mine", "object": "request", "asked": True})
        answer = waiting.result(5)
        body, found = answer.json(), answer.json()["cogitate"]
        assert (answer.status_code, found["stopped"], found["answer"]) == (200, "asked", "42")
        assert body["choices"][0]["finish_reason"] == "stop"
        assert body["usage"]["completion_tokens"] == server.engine.decoded
        assert found["aborted"] > 0 and found["aborted_tokens"] > 40
        trace = httpx.get(f"{server.url}/v1/traces/mine").json()
        assert trace["status"] == "completed" and trace["events"][-1]["stopped"] == "asked"
        assert trace["usage"]["completion_tokens"] == server.engine.decoded


@pytest.mark.parametrize("strategy", ["chain_of_thought", "self_consistency"])
def test_a_stream_ends_with_the_answer(strategy):
    with live(thinker()) as server, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.ask, headers=MINE, strategy=strategy, max_tokens=2000, stream=True)
        eventually(lambda: server.engine.decoded > 50)
        assert ask_now(server, "mine").status_code == 200
        stream = waiting.result(5)
        text = "".join(event["choices"][0]["delta"].get("content", "") for event in read_events(stream))
        assert text.startswith("<think> on") and text.endswith(f"</think>\n\n{FINAL_ANSWER} 42")
        assert read_events(stream)[-1]["cogitate"]["stopped"] == "asked" and stream.text.endswith("data: [DONE]\n\n")


def test_all_that_joined_get_the_answer_and_it_is_not_cached():
    with live(thinker()) as server, ThreadPoolExecutor(3) as pool:
        asks = [
            pool.submit(server.ask, headers={"X-Request-Id": f"r{at}"}, strategy=VOTE, max_tokens=2000)
            for at in range(3)
        ]
        eventually(lambda: sum(len(job.readers) for job in list(server.service.jobs.live)) == 3)
        eventually(lambda: server.engine.decoded > 50)
        assert ask_now(server, "r1").status_code == 200
        bodies = [ask.result(5).json() for ask in asks]
        assert {(body["cogitate"]["stopped"], body["cogitate"]["answer"]) for body in bodies} == {("asked", "42")}
        assert {body["cogitate"]["trace_id"] for body in bodies} == {"r0", "r1", "r2"}
        calls = len(server.engine.calls)
        again = pool.submit(server.ask, headers=MINE, strategy=VOTE, max_tokens=2000)
        eventually(lambda: len(server.engine.calls) == calls + 4)
        assert ask_now(server, "mine").status_code == 200 and again.result(5).json()["cogitate"]["cache"] == "miss"


def test_asking_again_changes_nothing():
    with live(thinker()) as server, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.ask, headers=MINE, strategy=VOTE, max_tokens=2000)
        eventually(lambda: server.engine.decoded > 50)
        assert [ask_now(server, "mine").status_code for _ in range(3)] == [200] * 3
        assert waiting.result(5).json()["cogitate"]["answer"] == "42" and len(server.engine.calls) == 6
        assert ask_now(server, "mine").status_code == 200


def test_a_request_in_the_queue_is_answered_in_a_few_tokens():
    with live(thinker(), max_generations=1, max_waiting_generations=99) as server, ThreadPoolExecutor(2) as pool:
        first = pool.submit(server.ask, headers={"X-Request-Id": "first"}, strategy=VOTE, max_tokens=2000, seed=1)
        eventually(lambda: server.engine.running)
        second = pool.submit(server.ask, headers={"X-Request-Id": "second"}, strategy=VOTE, max_tokens=2000)
        eventually(lambda: server.service.slots.waiting == 7)
        assert ask_now(server, "second").status_code == ask_now(server, "first").status_code == 200
        assert {ask.result(5).json()["cogitate"]["answer"] for ask in (first, second)} == {"42"}


def test_only_a_running_search_of_the_tenant_can_be_asked(tmp_path):
    keys = tmp_path / "keys"
    mine, other = (f"Bearer {create_key(keys, tenant)}" for tenant in ("a", "b"))
    with live(thinker(), api_keys_file=keys) as server, ThreadPoolExecutor(2) as pool:
        headers = {"Authorization": mine}
        waiting = pool.submit(server.ask, headers=MINE | headers, strategy=VOTE, max_tokens=2000)
        plain = pool.submit(server.ask, headers={"X-Request-Id": "plain"} | headers, max_tokens=500)
        eventually(lambda: server.engine.running == 5)
        assert httpx.post(f"{server.url}/v1/requests/mine/answer").status_code == 401
        assert ask_now(server, "mine", Authorization=other).status_code == 404
        assert ask_now(server, "yours", Authorization=mine).json()["error"]["param"] == "id"
        assert ask_now(server, "plain", Authorization=mine).status_code == 404
        assert not waiting.done()
        assert ask_now(server, "mine", Authorization=mine).status_code == 200
        assert waiting.result(5).json()["cogitate"]["stopped"] == "asked" and plain.result(10).status_code == 200


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/responses"])
def test_the_other_endpoints_answer_now_too(path):
    limits = {"prompt": "6*7 =", "max_tokens": 2000}, {"input": "6*7?", "max_output_tokens": 2000}
    fields = limits[path == "/v1/responses"]
    with live(thinker()) as server, ThreadPoolExecutor(1) as pool:
        body = {"model": "scripted", "strategy": "self_consistency", **fields}
        waiting = pool.submit(httpx.post, f"{server.url}{path}", json=body, headers=MINE, timeout=10)
        eventually(lambda: server.engine.decoded > 50)
        assert ask_now(server, "mine").status_code == 200
        answer = waiting.result(5)
        assert answer.status_code == 200 and answer.json()["cogitate"]["stopped"] == "asked"


def test_a_structured_answer_is_waited_for_and_whole():
    engine = ScriptedEngine(['{"a": 42}'], pace=lambda call: 0.1 if call == 2 else 30)
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    with live(engine) as server, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.ask, headers=MINE, strategy=VOTE, response_format=schema)
        eventually(lambda: server.engine.running == 4)
        assert ask_now(server, "mine").status_code == 200
        body = waiting.result(5).json()
        assert body["choices"][0]["message"]["content"] == '{"a": 42}' and body["cogitate"]["stopped"] == "asked"
