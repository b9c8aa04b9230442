"""Every field that OpenAI's client or Open Responses requires is in every response, and in every event."""

import itertools

import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import ToolCall
from tests.fakes.live_server import live
from tests.fakes.open_responses import RESPONSE, find_problems
from tests.server.api.responses_client import ask, events

pytestmark = pytest.mark.live
OPENAI_EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
VOTE = {"name": "self_consistency", "n": 1}
TOOL = {"type": "function", "name": "f"}
SCHEMA = {"type": "json_schema", "name": "x", "schema": {"type": "object"}}
REQUESTS = [
    {},
    {"reasoning": {"effort": "low"}, "metadata": {"job": "7"}, "safety_identifier": "u", "prompt_cache_key": "k"},
    {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
    {"max_output_tokens": 2, "presence_penalty": 0.5, "instructions": "Be brief."},
    {"text": {"format": SCHEMA}},
    {"tools": [TOOL], "tool_choice": {"type": "function", "name": "f"}},
    {"store": True},
]
PATHS = [{}, {"strategy": VOTE}, {"strategy": {"name": "chain_of_thought", "reasoning": "separate"}}]
PATH_NAMES = ["plain", "strategy", "reasoning"]


def reply(fields):
    if "tools" in fields:
        return ToolCall("f", '{"a":1}')
    return '{"answer": 42}' if "text" in fields else "so it is \\boxed{42}"


def check_response(body):
    assert find_problems(body) == []
    Response.model_validate(body, strict=True)


def check_events(read):
    assert [event["sequence_number"] for event in read] == list(range(len(read)))
    for event in read:
        assert find_problems(event) == [], event
        OPENAI_EVENT.validate_python(event, strict=True)


@pytest.mark.parametrize(
    ("fields", "path"),
    [*itertools.product(REQUESTS, PATHS[:2]), ({}, PATHS[2])],
    ids=lambda fields: next(iter(fields), "bare"),
)
def test_every_answer_has_every_required_field(fields, path):
    with live(ScriptedEngine([reply(fields)])) as server:
        sent = ask(server, **fields, **path)
        assert sent.status_code == 200, sent.text
        check_response(sent.json())
        streamed = ask(server, stream=True, cache="refresh", **fields, **path)
        assert streamed.status_code == 200, streamed.text
    check_events(events(streamed))


@pytest.mark.parametrize("path", PATHS, ids=PATH_NAMES)
def test_response_and_events_in_the_background_have_every_required_field(path):
    with live(ScriptedEngine(["so it is \\boxed{42}"])) as server:
        check_response(ask(server, background=True, **path).json())
        check_events(events(ask(server, background=True, stream=True, **path)))


@pytest.mark.parametrize("path", PATHS, ids=PATH_NAMES)
def test_failure_has_every_required_field(path):
    with live(ScriptedEngine([SampleFailed("gone")])) as server:
        failed = events(ask(server, background=True, stream=True, **path))
        check_events(failed)
        assert failed[-1]["type"] == "response.failed" and failed[-1]["response"]["error"]["code"] == "server_error"


def test_failure_of_a_stream_that_is_waited_for_has_every_required_field():
    with live(ScriptedEngine([SampleFailed("gone")])) as server:
        check_events(events(ask(server, stream=True, strategy=VOTE)))


@pytest.mark.parametrize("name", RESPONSE["required"])
def test_check_finds_a_field_that_is_missing(name):
    with live(ScriptedEngine(["x"])) as server:
        body = ask(server, strategy=VOTE).json()
    assert find_problems({key: value for key, value in body.items() if key != name} | {"object": "response"}) == (
        [] if name == "object" else [f': "{name}" is a required property']
    )
