"""Why each answer ended: a search that was cut short may answer with what is whole."""

import pytest

from strategies.ports import SampleFailed
from strategies.types import Call
from tests.scripted import ScriptedEngine
from tests.server.live import live
from tests.server.responses.asking import ask

pytestmark = pytest.mark.live
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "none"}
HURRIED = {"budget": {"seconds": 0.4}, "cache": "no-store"}
WHOLE = "so \\boxed{42}"


def slow_from(call: int) -> ScriptedEngine:
    return ScriptedEngine([WHOLE, WHOLE, "so it \\boxed{41} goes on"], pace=lambda at: 0.0 if at < call else 0.1)


def test_a_whole_call_is_no_half_one():
    engine = ScriptedEngine([Call("add", '{"a": 1}')], pace=lambda call: 0.0 if call < 2 else 9)
    with live(engine) as server:
        body = server.ask(strategy=VOTE, tools=[TOOL], **HURRIED).json()
    (choice,) = body["choices"]
    assert (choice["finish_reason"], body["cogitate"]["stopped"]) == ("tool_calls", "deadline")
    assert choice["message"]["tool_calls"]


def test_of_several_answers_each_tells_its_own_end():
    with live(ScriptedEngine(["\\boxed{1}", "\\boxed{1}", "\\boxed{2} and so on and so on"])) as server:
        vote = VOTE | {"n": 3, "concurrency": 1}
        body = server.ask(strategy=vote, n=3, budget={"tokens": 11}, seed=1, cache="no-store").json()
    ends = {choice["message"]["content"]: choice["finish_reason"] for choice in body["choices"]}
    assert body["cogitate"]["stopped"] == "budget" and ends["\\boxed{1}"] == "stop" and "length" in ends.values()


def test_a_response_is_complete_where_its_answer_is():
    for call, status, reason in ((2, "completed", None), (0, "incomplete", {"reason": "max_output_tokens"})):
        with live(slow_from(call)) as server:
            told = ask(server, strategy=VOTE, **HURRIED).json()
        assert (told["status"], told["incomplete_details"]) == (status, reason), told
        assert told["cogitate"]["stopped"] == "deadline"


@pytest.mark.parametrize("strategy", [{"name": "beam_search"}, {"name": "budget_forcing"}])
def test_a_step_is_no_end(strategy):
    reply = "<think> on and on </think>" if strategy["name"] == "budget_forcing" else "one step\n\nanother one\n\n"
    with live(ScriptedEngine([reply], pace=lambda call: 0.0 if call < 2 else 0.2)) as server:
        body = server.ask(strategy=strategy, budget={"seconds": 0.5}, cache="no-store").json()
    assert (body["choices"][0]["finish_reason"], body["cogitate"]["stopped"]) == ("length", "deadline"), body


def test_where_the_client_said_that_it_ends_is_an_end():
    with live(ScriptedEngine(["so it is. END and more"], pace=lambda call: 0.0 if call < 2 else 9)) as server:
        body = server.ask(strategy=VOTE, stop=["END"], **HURRIED).json()
    assert (body["choices"][0]["finish_reason"], body["cogitate"]["stopped"]) == ("stop", "deadline")


def test_lost_decodes_are_counted():
    with live(ScriptedEngine([SampleFailed("lost"), WHOLE])) as server:
        found = server.ask(strategy=VOTE).json()["cogitate"]
        assert (found["failed"], found["candidates"]) == (2, 2)
    with live(ScriptedEngine([WHOLE])) as server:
        assert server.ask(strategy=VOTE).json()["cogitate"]["failed"] == 0
