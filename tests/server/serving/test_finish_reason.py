"""Why each answer ended: a search that was cut short may answer with what is whole."""

import pytest

from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.types import ToolCall
from tests.fakes.live_server import live
from tests.fakes.scripted import ScriptedEngine
from tests.server.api.responses_client import ask

pytestmark = pytest.mark.live
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "none"}
HURRIED = {"budget": {"seconds": 0.4}, "cache": "no-store"}
WHOLE = "so \\boxed{42}"


def slow_from(call: int) -> ScriptedEngine:
    return ScriptedEngine([WHOLE, WHOLE, "so it \\boxed{41} goes on"], pace=lambda at: 0.0 if at < call else 0.1)


def test_a_whole_call_is_no_half_one():
    engine = ScriptedEngine([ToolCall("add", '{"a": 1}')], pace=lambda call: 0.0 if call < 2 else 9)
    with live(engine) as server:
        body = server.ask(strategy=VOTE, tools=[TOOL], **HURRIED).json()
    (choice,) = body["choices"]
    assert (choice["finish_reason"], body["cogitate"]["stopped"]) == ("tool_calls", "deadline")
    assert choice["message"]["tool_calls"]


def test_the_best_so_far_of_a_search_that_was_cut_short_says_so_though_it_is_whole():
    with live(ScriptedEngine(["\\boxed{1}", "\\boxed{1}", "\\boxed{2} and so on and so on"])) as server:
        vote = VOTE | {"n": 3, "concurrency": 1}
        body = server.ask(strategy=vote, n=3, budget={"tokens": 11}, seed=1, cache="no-store").json()
    assert body["cogitate"]["stopped"] == "budget"
    assert {choice["finish_reason"] for choice in body["choices"]} == {"length"}


def test_so_does_a_response():
    with live(slow_from(2)) as server:
        told = ask(server, strategy=VOTE, **HURRIED).json()
    assert (told["status"], told["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert told["cogitate"]["stopped"] == "deadline"


def test_lost_decodes_are_counted():
    with live(ScriptedEngine([SampleFailed("lost"), WHOLE])) as server:
        found = server.ask(strategy=VOTE).json()["cogitate"]
        assert (found["failed"], found["candidates"]) == (2, 2)
    with live(ScriptedEngine([WHOLE])) as server:
        assert server.ask(strategy=VOTE).json()["cogitate"]["failed"] == 0
