"""Traces as a server gives them out: reused samples, several models, and searches that were ended from outside."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from cogitate.server.observability.audit.cli import audit
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import eventually, live
from tests.server.serving.test_several_models import CASCADE, RIGHT, WRONG, serve

pytestmark = pytest.mark.live
VOTE = {"name": "self_consistency", "stop_rule": "none"}


def fetch(server, name):
    return httpx.get(f"{server.url}/v1/traces/{name}", timeout=5).json()


def test_reused_samples_vote_and_cost_nothing():
    with live(ScriptedEngine([*[RIGHT] * 4, *[WRONG] * 4])) as server:
        server.ask(strategy=VOTE | {"n": 4})
        eventually(lambda: not server.service.jobs.background)
        server.ask(strategy=VOTE | {"n": 8}, headers={"X-Request-Id": "again"})
        trace = fetch(server, "again")
    report = audit(trace)
    assert sum(event.get("reused", False) for event in trace["events"]) == 4
    assert report.differences == [] and "votes by class [4, 4]" in report.checked


def test_several_models_that_lose_samples_add_up():
    with serve(small=[RIGHT, SampleFailed("gone"), WRONG], large=[WRONG]) as (server, _):
        strategy = {"name": "self_consistency", "stop_rule": "none"}
        server.ask(model="small", strategy=strategy, models=CASCADE, headers={"X-Request-Id": "both"})
        trace = fetch(server, "both")
    assert {event["model"] for event in trace["events"] if event["kind"] == "decode"} == {"small", "large"}
    assert [event for event in trace["events"] if event["kind"] == "failure"] and audit(trace).differences == []


def test_a_search_that_somebody_ends_adds_up():
    engine = ScriptedEngine(["\\boxed{1}"], pace=lambda call: 0.0 if call < 3 else 30)
    with live(engine) as server, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.ask, strategy=VOTE | {"n": 8, "concurrency": 8}, headers={"X-Request-Id": "now"})
        eventually(lambda: "leader" in str(fetch(server, "now")))
        assert audit(fetch(server, "now")).differences == []
        httpx.post(f"{server.url}/v1/requests/now/answer")
        assert asked.result(20).json()["cogitate"]["stopped"] == "asked"
        trace = fetch(server, "now")
    assert trace["usage"]["aborted_tokens"] == 0 or trace["stopped"] == "asked"
    assert audit(trace).differences == []


def test_a_stream_that_is_ended_adds_up():
    with live(ScriptedEngine(["one two three " * 40], pace=0.01)) as server, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.ask, strategy="chain_of_thought", stream=True, headers={"X-Request-Id": "now"})
        eventually(lambda: server.engine.decoded > 5)
        httpx.post(f"{server.url}/v1/requests/now/answer")
        asked.result(20)
        assert audit(fetch(server, "now")).differences == []


def test_a_cached_answer_whose_trace_has_gone_adds_up():
    with live(ScriptedEngine([RIGHT])) as server:
        server.ask(strategy=VOTE)
        eventually(lambda: not server.service.traces.running)  # the trace is stored after the response
        server.service.traces.store.clear()
        server.ask(strategy=VOTE, headers={"X-Request-Id": "hit"})
        assert audit(fetch(server, "hit")).differences == []
