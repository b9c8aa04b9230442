"""Errors of POST /v1/responses: the field as the client wrote it, and the reason."""

import httpx
import openai
import pytest

from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.backend import ScriptedBackend
from tests.fakes.live_server import live
from tests.server.api.responses_client import QUESTION, ask

pytestmark = pytest.mark.live
MODEL = "scripted@self_consistency"


@pytest.fixture(scope="module")
def server():
    with live(ScriptedEngine(["\\boxed{42}"])) as started:
        yield started


def user(**part):
    return [{"role": "user", "content": [part]}]


REASONING = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "so"}]}
FUNCTION = {"type": "function", "name": "f"}
SCHEMA = {"type": "json_schema", "name": "x", "schema": {"type": "object"}}
REJECTED = [
    ({"previous_response_id": "resp_1"}, "previous_response_id", "No stored response"),
    ({"conversation": "conv_1"}, "conversation", "stores no conversations"),
    ({"background": True, "store": False}, "background", "omit store"),
    ({"prompt": {"id": "pmpt_1"}}, "prompt", "stores no prompt templates"),
    ({"text": {"verbosity": "low"}}, "text.verbosity", "instructions"),
    ({"text": {"format": {"type": "grammar"}}}, "text.format.type", "json_schema"),
    ({"text": {"format": {"type": "json_schema"}}}, "text.format", "needs name and schema"),
    ({"text": {"format": SCHEMA | {"type": "text"}}}, "text.format", "no other fields"),
    ({"tools": [{"type": "web_search"}]}, "tools.0.type", "function"),
    ({"tools": [FUNCTION | {"name": "a b"}]}, "tools.0.name", "pattern"),
    ({"tool_choice": "required"}, "tool_choice", "needs tools"),
    ({"tool_choice": FUNCTION}, "tool_choice", "needs tools"),
    ({"tools": [FUNCTION], "tool_choice": {"type": "allowed_tools"}}, "tool_choice", "Invalid"),
    ({"include": ["file_search_call.results"]}, "include.0", "message.output_text.logprobs"),
    ({"top_logprobs": 3}, "top_logprobs", "needs include"),
    ({"top_logprobs": 3, "include": ["reasoning.encrypted_content"]}, "top_logprobs", "needs include"),
    ({"truncation": "auto"}, "truncation", "disabled"),
    ({"stream_options": {"include_obfuscation": False}}, "stream_options", "needs stream to be true"),
    ({"stream": True, "stream_options": {"include_usage": True}}, "stream_options.include_usage", "always"),
    ({"input": []}, "input", "at least 1"),
    ({"input": 7}, "input", "Invalid type"),
    ({"input": [7]}, "input.0", "its type must be one of"),
    ({"input": [{"type": "item_reference", "id": "x"}]}, "input.0", "its type must be one of"),
    ({"input": [{"role": "tool", "content": "x"}]}, "input.0.role", "user"),
    ({"input": [{"role": "user"}]}, "input.0.content", "Missing"),
    ({"input": user(type="input_file", file_id="x")}, "input.0.content.0", "input_text, input_image"),
    ({"input": user(type="input_image", image_url="https://x/y.png")}, "input.0.content.0.image_url", "fetches"),
    ({"input": user(type="input_text")}, "input.0.content.0.text", "Missing"),
    ({"input": [REASONING, {"role": "user", "content": "x"}]}, "input", "must be followed by a message"),
    ({"input": [REASONING | {"encrypted_content": "x"}]}, "input.0.encrypted_content", "encrypted"),
    ({"input": [{"type": "function_call", "call_id": "c", "name": "f"}]}, "input.0.arguments", "Missing"),
    ({"max_output_tokens": 0}, "max_output_tokens", "greater"),
    ({"max_tokens": 5}, "max_tokens", "Unknown"),
    ({"messages": []}, "messages", "Unknown"),
    ({"n": 2}, "n", "Unknown"),
    ({"min_tokens": 2}, "min_tokens", "Unknown"),
    ({"metadata": {"k" * 65: "v"}}, "metadata.", "64"),
    ({"reasoning": {"effort": "extreme"}}, "reasoning.effort", "xhigh"),
    ({"model": "nobody"}, "model", "does not exist"),
]


@pytest.mark.parametrize(("fields", "param", "reason"), REJECTED, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("strategy", [{}, {"strategy": "self_consistency"}], ids=["plain", "strategy"])
def test_wrong_field_is_named_with_its_reason(server, fields, param, reason, strategy):
    response = ask(server, **strategy, **fields)
    error = response.json()["error"]
    assert response.status_code in (400, 404) and set(error) == {"message", "type", "param", "code"}
    assert error["param"].startswith(param) and reason in error["message"], error


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_output_tokens": 10**6}, "strategy"),
        ({"strategy": "beam_search", "text": {"format": SCHEMA}}, "text.format"),
        ({"strategy": "beam_search", "tools": [FUNCTION]}, "tools"),
        ({"ignore_eos": True}, "ignore_eos"),
        ({"strategy": {"name": "self_consistency", "nn": 1}}, "strategy.nn"),
        ({"strategy": {"name": "best_of_n", "verifier": "nobody"}}, "strategy.verifier"),
        ({"input": [{"role": "assistant", "content": "half", "status": "incomplete"}]}, "input"),
    ],
)
def test_field_that_a_strategy_cannot_honour_has_the_name_of_this_api(server, fields, param):
    response = ask(server, **({"strategy": "self_consistency"} | fields))
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, param), error
    assert "response_format" not in error["message"] and "max_tokens" not in error["message"]


def test_cost_error_of_a_plain_request_has_the_field_names_of_this_api():
    with live(ScriptedEngine(["x"]), max_cost=100) as small:
        error = ask(small, max_output_tokens=2000).json()["error"]
    assert error["param"] == "max_output_tokens" and "lower n, max_output_tokens" in error["message"]


def test_plain_request_without_a_limit_gets_the_affordable_one():
    with live(ScriptedEngine(["x " * 300]), max_cost=100) as small:
        body = ask(small).json()
        assert body["usage"]["output_tokens"] == small.engine.decoded == 100


@pytest.mark.parametrize("fields", [{"background": False}, {"previous_response_id": None}, {"prompt": None}])
def test_empty_unsupported_field_is_accepted(server, fields):
    assert ask(server, **fields).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["scripted", MODEL])
def test_context_that_is_too_long_raises_bad_request_in_the_official_client(model, stream):
    with live(ScriptedEngine(["x"]), backend=lambda engine: ScriptedBackend(engine, max_model_len=5)) as small:
        with pytest.raises(openai.BadRequestError) as refused:
            small.client().responses.create(model=model, input=QUESTION, stream=stream)
        assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "input")


def test_deadline_before_the_first_token_is_a_504():
    with live(ScriptedEngine(["x"], pace=9)) as server:
        refused = ask(server, strategy="self_consistency", budget={"seconds": 0.1})
        assert (refused.status_code, refused.json()["error"]["code"]) == (504, "deadline_exceeded")


def test_body_that_is_no_json_is_an_error_in_the_envelope(server):
    sent = httpx.post(f"{server.url}/v1/responses", content=b"{", headers={"Content-Type": "application/json"})
    assert sent.status_code == 400 and sent.json()["error"]["type"] == "invalid_request_error"


def test_body_that_is_no_object_is_rejected(server):
    sent = httpx.post(f"{server.url}/v1/responses", json=[QUESTION])
    assert sent.status_code == 400 and "error" in sent.json()
