"""Requests in the shapes of real clients: own fields in messages and tools, empty tools, silent turns."""

import json

import pytest
from pydantic import ValidationError

from cogitate.server.auth.caller import Caller
from cogitate.server.engine import ModelCard
from cogitate.server.planning.request_plan import build_plan
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.server.protocol.validation import to_bad_request
from cogitate.server.settings import Settings
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.verifiers import BUILT_IN
from tests.fakes.live_server import live
from tests.server.api.responses_client import ask

CARD = ModelCard("scripted", "1", 4096, 0)
EPHEMERAL = {"type": "ephemeral"}
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "additionalProperties": False}
READ = {"type": "function", "function": {"name": "read", "description": "Reads a file.", "parameters": SCHEMA}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "read", "arguments": '{"path": "a.txt"}'}}
IMAGE = "data:image/png;base64,iVBORw0KGgo="

OPENCODE = {
    "max_tokens": 32_000,
    "temperature": 0,
    "stream_options": {"include_usage": True},
    "tool_choice": "auto",
    "tools": [READ | {"cache_control": EPHEMERAL}, READ | {"function": READ["function"] | {"eager": True}}],
    "messages": [
        {"role": "system", "content": "You edit files.", "cache_control": EPHEMERAL},
        {"role": "user", "content": [{"type": "text", "text": "Open a.txt.", "cache_control": EPHEMERAL}]},
        {
            "role": "assistant",
            "content": "",
            "reasoning_content": "A file.",
            "tool_calls": [CALL | {"extra_content": {"google": {"thought_signature": "c2ln"}}}],
            "reasoning_details": [{"type": "reasoning.text", "text": "A file."}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "42", "cache_control": EPHEMERAL},
    ],
}
"""OpenCode, over the AI SDK."""
CODECOMPANION = {
    "temperature": 0.1,
    "top_p": 1,
    "stream_options": {"include_usage": True},
    "messages": [
        {"role": "system", "content": "Help.", "id": 1, "cycle": 1, "opts": {"visible": False, "tag": "system"}},
        {
            "role": "user",
            "content": "And 6*7?",
            "id": 2184,
            "cycle": 1,
            "opts": {"visible": True},
            "_meta": {"index": 2},
        },
    ],
}
OPEN_WEBUI = {
    "messages": [
        {
            "role": "user",
            "content": "Look.",
            "id": "f3",
            "timestamp": 1_700_000_000,
            "files": [],
            "models": ["scripted"],
        },
        {"role": "assistant", "content": "", "done": True, "usage": {"total_tokens": 4}, "model": "scripted"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "And now?"},
                {"type": "image_url", "image_url": {"url": IMAGE, "media_type": "image/png"}},
            ],
        },
    ],
    "stream_options": {"include_usage": True},
}
COPILOT = {
    "temperature": 0.1,
    "top_p": 1,
    "n": 1,
    "max_completion_tokens": 4096,
    "tools": [],
    "tool_choice": "auto",
    "messages": [
        {"role": "system", "content": "You are a pair.", "copilot_cache_control": EPHEMERAL},
        {"role": "user", "content": "Name a prime.", "name": "me", "copilot_references": [{"id": "x"}]},
        {"role": "assistant", "content": None, "tool_calls": [CALL], "copilot_cache_control": EPHEMERAL},
        {"role": "tool", "tool_call_id": "call_1", "content": "7", "copilot_cache_control": EPHEMERAL},
        {"role": "assistant", "content": None, "tool_calls": None},
        {"role": "user", "content": [{"type": "text", "text": "Go on.", "copilot_cache_control": EPHEMERAL}]},
    ],
}
"""GitHub Copilot with a model of one's own."""
XCODE = {"messages": [{"role": "user", "content": "Fix it."}], "tools": [], "parallel_tool_calls": True}
SHAPES = {
    "OpenCode": OPENCODE,
    "CodeCompanion": CODECOMPANION,
    "Open WebUI": OPEN_WEBUI,
    "Copilot": COPILOT,
    "Xcode": XCODE,
}
OWN_FIELDS = (
    "cache_control",
    "copilot_cache_control",
    "copilot_references",
    "extra_content",
    "reasoning_details",
    "opts",
    "cycle",
    "_meta",
    "timestamp",
    "media_type",
    "eager",
)


def parse(**fields: object) -> ChatRequest:
    return ChatRequest.model_validate({"model": "scripted"} | fields)


def plan(**fields: object):
    return build_plan(parse(**fields), CARD, Settings(max_cost=10**9), BUILT_IN, Caller())


def without_own_fields(value: object) -> object:
    """The same JSON without the clients' own fields and `id` of messages, as a client of OpenAI's library sends it."""
    if isinstance(value, list):
        return [without_own_fields(item) for item in value]
    if not isinstance(value, dict):
        return value
    own = {*OWN_FIELDS, *({"id", "files", "models", "done", "usage", "model"} if "role" in value else ())}
    return {name: without_own_fields(item) for name, item in value.items() if name not in own}


@pytest.mark.live
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "fields", [{}, {"strategy": "self_consistency"}, {"strategy": "chain_of_thought", "stream": True}]
)
def test_real_clients_are_answered(shape, fields):
    body = SHAPES[shape] | {"stream": bool(fields.get("stream")), "max_tokens": 200} | fields
    if not body["stream"]:
        body.pop("stream_options", None)
    with live(ScriptedEngine(["so it is \\boxed{42}"]), max_cost=10**9) as server:
        response = server.ask(**body)
    assert response.status_code == 200 and "42" in response.text, response.text[:300]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("strategy", [{"temperature": 0}, {"strategy": "self_consistency"}], ids=["plain", "strategy"])
def test_own_fields_reach_neither_prompt_nor_cache_key(shape, strategy):
    body = {name: value for name, value in SHAPES[shape].items() if name != "stream_options"}
    body |= {"max_tokens": 64, **strategy}
    full, bare = plan(**body), plan(**without_own_fields(body))
    assert full.key == bare.key is not None
    assert full.request.prompt == bare.request.prompt and full.prompt == bare.prompt
    assert full.request.to_upstream() == bare.request.to_upstream()
    assert not any(f'"{name}"' in json.dumps(full.request.to_upstream()) for name in OWN_FIELDS)


def test_a_relayed_request_keeps_the_clients_own_fields():
    sent = json.loads(json.dumps(parse(**OPENCODE, stream=True).to_upstream(unknown_fields=True)))
    assert sent["messages"] == OPENCODE["messages"] and sent["tools"] == OPENCODE["tools"]


@pytest.mark.parametrize("name", ["cache_control", "next_years_field", "to_message", "model_config", "__class__"])
@pytest.mark.parametrize("value", [1, "x", None, [], {"deep": [{"er": 1}]}], ids=str)
def test_any_unknown_field_of_a_message_has_no_effect(name, value):
    message = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
    marked = message | {name: value, "content": [message["content"][0] | {name: value}]}
    assert parse(messages=[marked]).prompt == parse(messages=[message]).prompt
    assert parse(messages=[marked]).to_upstream() == parse(messages=[message]).to_upstream()


def refusal(**fields: object) -> str | None:
    with pytest.raises(ValidationError) as wrong:
        parse(**{"messages": [{"role": "user", "content": "hi"}]} | fields)
    return to_bad_request(wrong.value).param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"cache_control": EPHEMERAL}, "cache_control"),
        ({"opts": {}}, "opts"),
        ({"stream": True, "stream_options": {"opts": 1}}, "stream_options.opts"),
        ({"response_format": {"type": "text", "opts": 1}}, "response_format.opts"),
        ({"tools": [], "tool_choice": "required"}, "tool_choice"),
        ({"tools": [], "tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice"),
        ({"messages": [{"role": "user", "content": None}]}, "messages.0"),
        ({"messages": [{"role": "user", "content": []}]}, "messages.0.content"),
        ({"messages": [{"role": "tool", "tool_call_id": "c"}]}, "messages.0"),
        ({"messages": [{"role": "user", "content": "hi", "audio": {"id": "a"}, "id": 1}]}, "messages.0.audio"),
    ],
)
def test_unknown_fields_elsewhere_and_missing_content_are_refused_by_name(fields, param):
    assert refusal(**fields) == param


@pytest.mark.parametrize(
    "choice", [{}, {"tool_choice": "auto"}, {"tool_choice": "none"}, {"tool_choice": None}], ids=str
)
@pytest.mark.parametrize("strategy", [{"seed": 1}, {"strategy": "beam_search"}], ids=["plain", "stepwise"])
def test_empty_tools_count_as_no_tools(choice, strategy):
    question = {"messages": [{"role": "user", "content": "hi"}], **strategy}
    bare, full = plan(**question), plan(**question, tools=[], parallel_tool_calls=False, **choice)
    assert not full.request.offers_tools and full.request.to_upstream() == bare.request.to_upstream()
    assert full.key == bare.key is not None


@pytest.mark.parametrize(
    "silence", [{"content": None}, {"content": ""}, {}, {"content": []}, {"tool_calls": []}], ids=str
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_silent_turn_of_the_assistant_is_an_empty_text(silence, place):
    messages = [{"role": "user", "content": "hi"}, {"role": "user", "content": "again"}]
    messages.insert(place, {"role": "assistant"} | silence)
    request = parse(messages=messages, strategy="self_consistency")
    assert request.prompt.messages[place].content == "" and request.prompt.messages[place].extra == {}
    assert request.to_upstream()["messages"][place] == {"role": "assistant", "content": ""}


@pytest.mark.live
@pytest.mark.parametrize("strategy", [None, "self_consistency", "chain_of_thought", "self_refine", "beam_search"])
def test_strategies_answer_after_a_silent_turn(strategy):
    turns = [
        {"role": "user", "content": "6*7?"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": "?"},
    ]
    fields = {"strategy": {"name": strategy, **({"verifier": "confidence"} if strategy == "beam_search" else {})}}
    with live(ScriptedEngine(["so it is \\boxed{42}"])) as server:
        response = server.ask(messages=turns, **(fields if strategy else {}))
        assert response.status_code == 200, response.text[:300]
        sent = [prompt for prompt, _ in server.engine.calls if len(prompt.messages) > 1]
    assert all(message.content is not None for prompt in sent for message in prompt.messages)


ITEMS = [
    {"role": "user", "content": [{"type": "input_text", "text": "Open it.", "cache_control": EPHEMERAL}], "opts": 1},
    {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm", "x": 1}], "x": 1},
    {"type": "function_call", "call_id": "c", "name": "read", "arguments": "{}", "extra_content": {}, "namespace": "n"},
    {"type": "function_call_output", "call_id": "c", "output": "42", "created_by": "me"},
    {"role": "assistant", "content": None, "phase": "commentary"},
    {"role": "assistant", "content": [{"type": "output_text", "text": "Yes.", "parsed": 1}], "phase": "final_answer"},
    {"role": "user", "content": "And now?", "internal": {"a": 1}},
]
FUNCTION = {"type": "function", "name": "read", "parameters": SCHEMA, "defer_loading": True}


@pytest.mark.live
@pytest.mark.parametrize("strategy", [{}, {"strategy": "self_consistency"}], ids=["plain", "strategy"])
def test_unknown_fields_of_response_items_are_taken(strategy):
    with live(ScriptedEngine(["so it is \\boxed{42}"])) as server:
        response = ask(server, input=ITEMS, tools=[FUNCTION], **strategy)
    assert response.status_code == 200, response.text[:300]


def test_unknown_fields_of_response_items_are_relayed_only():
    request = ResponsesRequest.model_validate({"model": "m", "input": ITEMS, "tools": [FUNCTION]})
    names = ("cache_control", "opts", "extra_content", "created_by", "phase", "internal", "defer_loading")
    known, relayed = json.dumps(request.to_upstream()), json.dumps(request.to_upstream(unknown_fields=True))
    chat = json.dumps(request.to_chat().to_upstream(unknown_fields=True))
    assert all(f'"{name}"' in relayed and f'"{name}"' not in known + chat for name in names)


def test_a_response_request_with_empty_tools_is_relayed_without_them():
    request = ResponsesRequest.model_validate({"model": "m", "input": "hi", "tools": [], "tool_choice": "auto"})
    assert not {"tools", "tool_choice"} & request.to_upstream().keys()
