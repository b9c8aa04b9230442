"""Equal choices: one decode, returned n times and billed once."""

import json

import pytest

from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import HELLO, live

pytestmark = pytest.mark.live
VOTE = {"name": "self_consistency", "n": 8, "stop_rule": "none"}


def test_vote_at_temperature_0_decodes_one_and_warns():
    with live(ScriptedEngine(["so \\boxed{7}"])) as server:
        body = server.ask(strategy=VOTE, temperature=0).json()
        assert len(server.engine.calls) == 1
        again = server.ask(strategy=VOTE, temperature=0).json()
    assert body["cogitate"]["candidates"] == 1 and body["cogitate"]["answer"] == "7"
    assert "only one was decoded" in body["cogitate"]["warnings"][0]
    assert again["cogitate"]["warnings"] == body["cogitate"]["warnings"] and again["cogitate"]["cache"] == "hit"


@pytest.mark.parametrize("stream", [False, True])
def test_n_answers_of_a_vote_at_temperature_0_are_equal_and_decoded_once(stream):
    with live(ScriptedEngine(["so \\boxed{7}", "so \\boxed{8}"])) as server:
        asked = {"strategy": VOTE, "temperature": 0, "n": 3}
        if stream:
            choices = read_stream(server.ask(**asked, stream=True, stream_options={"include_usage": True}).text)[0]
        else:
            body = server.ask(**asked).json()
            choices = {choice["index"]: choice["message"]["content"] for choice in body["choices"]}
            assert body["usage"]["completion_tokens"] == 3
        assert len(server.engine.calls) == 1
    assert choices == dict.fromkeys(range(3), "so \\boxed{7}")


def test_reasoning_is_separate_in_each_copy():
    with live(ScriptedEngine(["so \\boxed{7}"])) as server:
        strategy = VOTE | {"reasoning": "separate"}
        choices = server.ask(strategy=strategy, temperature=0, n=2).json()["choices"]
    assert [choice["message"]["content"] for choice in choices] == ["7", "7"]
    assert all(choice["message"]["reasoning_content"] for choice in choices)


def test_plain_greedy_request_has_n_equal_choices_and_one_bill():
    with live(ScriptedEngine(["one two", "three"])) as server:
        body = server.ask(temperature=0, n=2).json()
        again = server.ask(temperature=0, n=2)
        assert len(server.engine.calls) == 1 and again.headers["x-cache"] == "hit"
    assert [choice["index"] for choice in body["choices"]] == [0, 1]
    assert {choice["message"]["content"] for choice in body["choices"]} == {"one two"}
    assert body["usage"]["completion_tokens"] == 3 and again.json()["choices"] == body["choices"]


def test_plain_greedy_stream_has_n_equal_choices_and_ends_with_done():
    with live(ScriptedEngine(["one two", "three"])) as server:
        text = server.ask(temperature=0, n=2, stream=True).text
        assert len(server.engine.calls) == 1
    texts, finishes = read_stream(text)
    assert texts == {0: "one two", 1: "one two"} and finishes == {0: "stop", 1: "stop"}


def test_plain_greedy_completion_has_n_equal_choices():
    with live(ScriptedEngine(["one two", "three"])) as server:
        asked = {"model": HELLO["model"], "prompt": "x", "temperature": 0, "n": 2}
        body = server.http.post(f"{server.url}/v1/completions", json=asked).json()
        assert len(server.engine.calls) == 1
    assert [(choice["index"], choice["text"]) for choice in body["choices"]] == [(0, "one two"), (1, "one two")]


def read_stream(text: str) -> tuple[dict[int, str], dict[int, str]]:
    """The text and the finish reason of each choice of a stream that ends with [DONE]."""
    assert text.endswith("data: [DONE]\n\n")
    events = [line.removeprefix("data: ") for line in text.split("\n\n") if line.startswith("data: {")]
    choices = [choice for event in events for choice in json.loads(event)["choices"]]
    texts: dict[int, str] = {}
    for choice in choices:
        texts[choice["index"]] = texts.get(choice["index"], "") + (choice["delta"].get("content") or "")
    return texts, {choice["index"]: choice["finish_reason"] for choice in choices if choice["finish_reason"]}
