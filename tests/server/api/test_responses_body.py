"""A chat.completion told as a response: what stands where, whole and as events."""

import json
from dataclasses import dataclass, field

import pytest

from cogitate.server.api.responses_body import responded
from cogitate.server.api.responses_events import Telling
from cogitate.server.auth.caller import Caller
from cogitate.server.planning.plan import Plan, build_plan
from cogitate.server.settings import Settings
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import TextDelta
from cogitate.strategies.verifiers import BUILT_IN
from tests.fakes.backend import ScriptedBackend
from tests.server.api.responses_client import request

CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
TOKEN = {"token": "é", "logprob": -0.5, "bytes": None, "top_logprobs": [{"token": "e", "logprob": -1, "bytes": [101]}]}


def planned(**strategy) -> Plan:
    wire = request(model="scripted", strategy={"name": "chain_of_thought", **strategy})
    card = ScriptedBackend(ScriptedEngine([""])).card
    return build_plan(wire.to_chat(), card, Settings(), BUILT_IN, Caller("", "", "t"))


def completion(finish="stop", usage=None, logprobs=None, **message):
    spent = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12} | (usage or {})
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": logprobs}
    return {"id": "x", "created": 1, "choices": [choice], "usage": spent}


def response(**fields):
    return responded(request(model="scripted"), planned(), completion(**fields))


@dataclass
class Heard:
    """A client that puts a stream together from its events alone."""

    kinds: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    done: list[dict] = field(default_factory=list)
    last: dict = field(default_factory=dict)

    def read(self, frames):
        for frame in frames:
            self.last = json.loads(frame.decode().split("\n")[1].removeprefix("data: "))
            self.kinds.append(self.last["type"].removeprefix("response."))
            if "delta" in self.last:
                item = self.last["item_id"].split("_")[0]
                self.texts[item] = self.texts.get(item, "") + self.last["delta"]
            if self.last["type"] == "response.output_item.done":
                self.done.append(self.last["item"])


def heard(*speeches, strategy=None, **fields):
    telling, client = Telling(request(model="scripted"), planned(**(strategy or {}))), Heard()
    client.read(telling.begin())
    for speech in speeches:
        client.read(telling.speak(speech))
    client.read(telling.finish(responded(telling.wire, telling.plan, completion(**fields))))
    return client


def test_reasoning_the_message_and_calls_stand_in_this_order():
    output = response(content="a", reasoning_content="r", tool_calls=[CALL, CALL])["output"]
    assert [item["type"] for item in output] == ["reasoning", "message", "function_call", "function_call"]
    assert len({item["id"] for item in output}) == 4
    assert output[0]["content"] == [{"type": "reasoning_text", "text": "r"}] and output[0]["summary"] == []
    assert output[2]["call_id"] == "call_1" and output[2]["arguments"] == '{"a":1}'


@pytest.mark.parametrize(
    ("message", "kinds"),
    [
        ({"content": None, "tool_calls": [CALL]}, ["function_call"]),
        ({"content": "", "reasoning": "r"}, ["reasoning"]),
        ({"content": ""}, ["message"]),
        ({"content": None}, ["message"]),
    ],
)
def test_there_is_always_an_item_and_never_an_empty_one_beside_others(message, kinds):
    assert [item["type"] for item in response(**message)["output"]] == kinds


def test_a_refusal_is_a_part_of_the_message():
    (message,) = response(content=None, refusal="No.")["output"]
    assert message["content"] == [{"type": "refusal", "refusal": "No."}]
    client = heard(content=None, refusal="No.")
    assert client.texts == {"msg": "No."} and "refusal.done" in client.kinds


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_why_an_answer_ended(finish, status, reason):
    body = response(content="a", finish=finish)
    assert (body["status"], body["incomplete_details"]) == (status, reason)
    assert heard(content="a", finish=finish).kinds[-1] == status


def test_usage_is_the_chats_in_other_words():
    told = {"prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 2}}
    assert response(content="a", usage=told)["usage"] == {
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 12,
    }


def test_log_probabilities_always_spell_their_tokens_in_bytes():
    (message,) = response(content="é", logprobs={"content": [TOKEN]})["output"]
    (told,) = message["content"][0]["logprobs"]
    assert told == {
        "token": "é",
        "logprob": -0.5,
        "bytes": [0xC3, 0xA9],
        "top_logprobs": [{"token": "e", "logprob": -1, "bytes": [101]}],
    }


def test_a_text_that_comes_at_once_brings_its_log_probabilities():
    telling = Telling(request(model="scripted"), planned())
    body = responded(telling.wire, telling.plan, completion(content="é", logprobs={"content": [TOKEN]}))
    frames = [json.loads(frame.decode().split("\n")[1][6:]) for frame in telling.finish(body)]
    told = [frame["logprobs"] for frame in frames if "logprobs" in frame]
    terse = {"token": "é", "logprob": -0.5, "top_logprobs": [{"token": "e", "logprob": -1}]}
    assert told == [[terse], [terse]]


def test_live_speech_is_followed_by_what_was_not_said_yet():
    client = heard(TextDelta("so "), TextDelta("it"), content="so it is")
    assert client.texts == {"msg": "so it is"} and client.kinds.count("output_item.added") == 1
    assert client.done[0]["content"][0]["text"] == "so it is"


def test_speech_that_comes_back_to_its_reasoning_opens_nothing_twice():
    speeches = [TextDelta("r", reasoning=True), TextDelta("a"), TextDelta("s", reasoning=True), TextDelta("b")]
    client = heard(*speeches, content="ab", reasoning_content="rs")
    assert client.texts == {"rs": "rs", "msg": "ab"} and client.kinds.count("output_item.added") == 2
    assert client.done == client.last["response"]["output"]


def test_what_only_the_live_speech_held_is_in_the_answer_too():
    client = heard(TextDelta("r", reasoning=True), TextDelta("hm"), content=None, tool_calls=[CALL])
    assert [item["type"] for item in client.last["response"]["output"]] == ["reasoning", "message", "function_call"]
    assert client.done == client.last["response"]["output"]
    assert [item["content"][0]["text"] for item in client.done[:2]] == ["r", "hm"]


def test_the_order_is_that_in_which_items_were_begun():
    client = heard(TextDelta("a"), content="a", reasoning_content="r")
    assert [item["type"] for item in client.last["response"]["output"]] == ["message", "reasoning"]


def test_separate_reasoning_is_spoken_as_reasoning():
    client = heard(TextDelta("it is 4"), strategy={"reasoning": "separate"}, content="4", reasoning_content="it is 4")
    assert client.texts == {"rs": "it is 4", "msg": "4"}
