"""Conversion of a chat.completion to a response object and to its stream events."""

import json
from dataclasses import dataclass, field

import pytest

from cogitate.server.api.responses_body import build_response
from cogitate.server.api.responses_stream import EventEncoder
from cogitate.server.auth.caller import Caller
from cogitate.server.planning.plan import Plan
from cogitate.server.planning.request_plan import build_plan
from cogitate.server.settings import Settings
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import TextDelta
from cogitate.strategies.verifiers import BUILT_IN
from tests.fakes.backend import ScriptedBackend
from tests.server.api.responses_client import request

CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
TOKEN = {"token": "é", "logprob": -0.5, "bytes": None, "top_logprobs": [{"token": "e", "logprob": -1, "bytes": [101]}]}


def make_plan(**strategy) -> Plan:
    parsed = request(model="scripted", strategy={"name": "chain_of_thought", **strategy})
    card = ScriptedBackend(ScriptedEngine([""])).card
    return build_plan(parsed.to_chat(), card, Settings(), BUILT_IN, Caller("", "", "t"))


def completion(finish="stop", usage=None, logprobs=None, **message):
    totals = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12} | (usage or {})
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": logprobs}
    return {"id": "x", "created": 1, "choices": [choice], "usage": totals}


def response(**fields):
    return build_response(request(model="scripted"), make_plan(), completion(**fields))


@dataclass
class StreamClient:
    """Assembles a response from its events alone."""

    kinds: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    done: list[dict] = field(default_factory=list)
    last: dict = field(default_factory=dict)

    def read(self, chunks):
        for chunk in chunks:
            self.last = json.loads(chunk.decode().split("\n")[1].removeprefix("data: "))
            self.kinds.append(self.last["type"].removeprefix("response."))
            if "delta" in self.last:
                item = self.last["item_id"].split("_")[0]
                self.texts[item] = self.texts.get(item, "") + self.last["delta"]
            if self.last["type"] == "response.output_item.done":
                self.done.append(self.last["item"])


def stream_to_client(*texts, strategy=None, **fields):
    encoder, client = EventEncoder(request(model="scripted"), make_plan(**(strategy or {}))), StreamClient()
    client.read(encoder.encode_start())
    for text in texts:
        client.read(encoder.encode_text(text))
    client.read(encoder.encode_end(build_response(encoder.request, encoder.plan, completion(**fields))))
    return client


def test_output_holds_reasoning_then_message_then_calls():
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
def test_output_has_at_least_one_item_and_no_empty_message_next_to_a_full_item(message, kinds):
    assert [item["type"] for item in response(**message)["output"]] == kinds


def test_a_refusal_is_a_part_of_the_message():
    (message,) = response(content=None, refusal="No.")["output"]
    assert message["content"] == [{"type": "refusal", "refusal": "No."}]
    client = stream_to_client(content=None, refusal="No.")
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
def test_finish_reason_becomes_status_and_incomplete_details(finish, status, reason):
    body = response(content="a", finish=finish)
    assert (body["status"], body["incomplete_details"]) == (status, reason)
    assert stream_to_client(content="a", finish=finish).kinds[-1] == status


def test_chat_usage_becomes_response_usage():
    details = {"prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 2}}
    assert response(content="a", usage=details)["usage"] == {
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 12,
    }


def test_logprobs_always_have_the_bytes_of_their_token():
    (message,) = response(content="é", logprobs={"content": [TOKEN]})["output"]
    (token,) = message["content"][0]["logprobs"]
    assert token == {
        "token": "é",
        "logprob": -0.5,
        "bytes": [0xC3, 0xA9],
        "top_logprobs": [{"token": "e", "logprob": -1, "bytes": [101]}],
    }


def test_text_that_was_not_streamed_has_logprobs_in_its_events():
    encoder = EventEncoder(request(model="scripted"), make_plan())
    body = build_response(encoder.request, encoder.plan, completion(content="é", logprobs={"content": [TOKEN]}))
    events = [json.loads(chunk.decode().split("\n")[1][6:]) for chunk in encoder.encode_end(body)]
    logprobs = [event["logprobs"] for event in events if "logprobs" in event]
    token = TOKEN | {"bytes": [0xC3, 0xA9]}
    assert logprobs == [[token], [token]]


def test_end_of_stream_sends_only_text_that_was_not_streamed():
    client = stream_to_client(TextDelta("so "), TextDelta("it"), content="so it is")
    assert client.texts == {"msg": "so it is"} and client.kinds.count("output_item.added") == 1
    assert client.done[0]["content"][0]["text"] == "so it is"


def test_text_that_returns_to_reasoning_adds_no_second_item():
    texts = [TextDelta("r", reasoning=True), TextDelta("a"), TextDelta("s", reasoning=True), TextDelta("b")]
    client = stream_to_client(*texts, content="ab", reasoning_content="rs")
    assert client.texts == {"rs": "rs", "msg": "ab"} and client.kinds.count("output_item.added") == 2
    assert client.done == client.last["response"]["output"]


def test_text_that_was_only_streamed_is_in_the_final_response():
    client = stream_to_client(TextDelta("r", reasoning=True), TextDelta("hm"), content=None, tool_calls=[CALL])
    assert [item["type"] for item in client.last["response"]["output"]] == ["reasoning", "message", "function_call"]
    assert client.done == client.last["response"]["output"]
    assert [item["content"][0]["text"] for item in client.done[:2]] == ["r", "hm"]


def test_output_order_is_the_order_of_the_stream():
    client = stream_to_client(TextDelta("a"), content="a", reasoning_content="r")
    assert [item["type"] for item in client.last["response"]["output"]] == ["message", "reasoning"]


def test_separate_reasoning_is_streamed_as_reasoning():
    client = stream_to_client(
        TextDelta("it is 4"), strategy={"reasoning": "separate"}, content="4", reasoning_content="it is 4"
    )
    assert client.texts == {"rs": "it is 4", "msg": "4"}
