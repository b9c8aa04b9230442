"""The finish_reason of searches that ended early, and the count of lost decodes."""

import pytest

from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import ToolCall
from tests.fakes.live_server import live
from tests.server.api.responses_client import ask

pytestmark = pytest.mark.live
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "none"}
SHORT_BUDGET = {"budget": {"seconds": 1.5}, "cache": "no-store"}
BOXED = "so \\boxed{42}"


def slow_from(call: int) -> ScriptedEngine:
    return ScriptedEngine([BOXED, BOXED, "so it \\boxed{41} goes on"], pace=lambda at: 0.0 if at < call else 9)


def test_a_complete_tool_call_at_a_deadline_keeps_finish_reason_tool_calls():
    engine = ScriptedEngine([ToolCall("add", '{"a": 1}')], pace=lambda call: 0.0 if call < 2 else 9)
    with live(engine) as server:
        body = server.ask(strategy=VOTE, tools=[TOOL], **SHORT_BUDGET).json()
    (choice,) = body["choices"]
    assert (choice["finish_reason"], body["cogitate"]["stopped"]) == ("tool_calls", "deadline")
    assert choice["message"]["tool_calls"]


def test_complete_answers_of_a_search_out_of_budget_have_finish_reason_length():
    with live(ScriptedEngine(["\\boxed{1}", "\\boxed{1}", "\\boxed{2} and so on and so on"])) as server:
        vote = VOTE | {"n": 3, "concurrency": 1}
        body = server.ask(strategy=vote, n=3, budget={"tokens": 11}, seed=1, cache="no-store").json()
    assert body["cogitate"]["stopped"] == "budget"
    assert {choice["finish_reason"] for choice in body["choices"]} == {"length"}


def test_a_response_at_a_deadline_is_incomplete():
    with live(slow_from(2)) as server:
        response = ask(server, strategy=VOTE, **SHORT_BUDGET).json()
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert response["cogitate"]["stopped"] == "deadline"


def test_failed_counts_the_lost_decodes():
    with live(ScriptedEngine([SampleFailed("lost"), BOXED])) as server:
        found = server.ask(strategy=VOTE).json()["cogitate"]
        assert (found["failed"], found["candidates"]) == (2, 2)
    with live(ScriptedEngine([BOXED])) as server:
        assert server.ask(strategy=VOTE).json()["cogitate"]["failed"] == 0
