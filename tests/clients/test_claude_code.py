"""A conversation as Claude Code leads it, plain and under a strategy."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.scripted import Reply, ScriptedEngine
from cogitate.strategies.core.types import Sampling, ToolCall
from tests.clients.claude_code import HEADERS, TITLE_REQUEST, TOOLS, build_request, build_result
from tests.fakes.backend import ScriptedBackend
from tests.fakes.live_server import Live, live
from tests.server.api.messages_client import events, failure

pytestmark = [pytest.mark.live, pytest.mark.parametrize("model", ["scripted", "scripted@self_consistency"])]
CALL = ToolCall("Bash", '{"command": "ls", "description": "List"}')
DONE = "There are two files."


def reply(prompt: Prompt, _: Sampling) -> Reply:
    """Call a tool until its result is there."""
    if "title" in prompt.messages[0].text:
        return '{"title": "Files"}'
    return DONE if prompt.messages[-1].role == "tool" else CALL


@pytest.fixture
def server() -> Iterator[Live]:
    with live(ScriptedEngine(reply), backend=lambda engine: ScriptedBackend(engine, max_model_len=40_000)) as running:
        yield running


def send(server: Live, body: dict[str, Any], path: str = "/v1/messages") -> httpx.Response:
    return server.http.post(
        f"{server.url}{path}?beta=true", json=body, headers=HEADERS | {"x-api-key": "none"}, timeout=60
    )


def read_blocks(response: httpx.Response) -> list[dict[str, Any]]:
    """The content blocks of a stream, to be sent back."""
    assert response.status_code == 200, response.text
    blocks: list[dict[str, Any]] = []
    for event in events(response):
        if event["type"] == "content_block_start":
            blocks.append(dict(event["content_block"]) | {"json": ""})
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            blocks[-1]["json"] += delta.get("partial_json", "")
            blocks[-1] |= {"text": blocks[-1]["text"] + delta["text"]} if "text" in delta else {}
    return blocks


def test_loop_of_calls_and_results_ends_with_an_answer(server, model):
    (call,) = read_blocks(send(server, build_request(model)))
    assert (call["name"], call["json"]) == ("Bash", CALL.arguments)
    used = {"role": "assistant", "content": [{"type": "tool_use", "id": call["id"], "name": "Bash", "input": {}}]}
    for content in ("a\nb", [{"type": "text", "text": "a\nb"}]):
        (answer,) = read_blocks(send(server, build_request(model, used, build_result(call["id"], content))))
        assert answer["text"] == DONE
    (failed,) = read_blocks(send(server, build_request(model, used, build_result(call["id"], "no", is_error=True))))
    assert failed["text"] == DONE and server.engine.calls[-1][0].messages[-1].text == "Error: no"


def test_model_reads_the_system_prompt_without_what_changes_in_each_request(server, model):
    read_blocks(send(server, build_request(model)))
    system, *_ = server.engine.calls[-1][0].messages
    assert system.role == "system" and system.text.startswith("You are Claude Code") and "billing" not in system.text


def test_stream_ends_with_usage_and_the_state_of_the_context(server, model):
    last = events(send(server, build_request(model)))[-2]
    assert last["usage"]["input_tokens"] > 100 and last["context_management"] == {"applied_edits": []}
    assert ("cogitate" in last) == ("@" in model)


def test_requests_beside_the_main_loop_are_answered(server, model):
    (title,) = read_blocks(send(server, build_request(model, **TITLE_REQUEST)))
    assert title["text"] == '{"title": "Files"}'
    probe = build_request(model, max_tokens=1, stream=False, tools=[], thinking={"type": "disabled"})
    assert send(server, probe).json()["stop_reason"] == "max_tokens"


@pytest.mark.parametrize(
    "fields",
    [
        {"thinking": {"type": "enabled", "budget_tokens": 31_999}},
        {"thinking": {"type": "adaptive", "display": "omitted"}},
        {"output_config": {"effort": "max"}},
        {"speed": "fast"},
        {"diagnostics": {"previous_message_id": None}},
        {"fallbacks": "default"},
        {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_fields_of_betas_are_taken(server, model, fields):
    (call,) = read_blocks(send(server, build_request(model, **fields)))
    assert call["name"] == "Bash"


def test_deferred_tools_wait_for_a_reference(server, model):
    blocks = [{"type": "tool_reference", "tool_name": TOOLS[-1]["name"]}]
    used = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "ToolSearch", "input": {}}]}
    (answer,) = read_blocks(send(server, build_request(model, used, build_result("t", blocks))))
    assert answer["text"] == DONE


def test_tokens_are_counted(server, model):
    body = build_request(model)
    for name in ("max_tokens", "metadata", "temperature", "stream"):
        del body[name]
    count = send(server, body, "/v1/messages/count_tokens").json()
    assert count["input_tokens"] > 100 and count["context_management"]["original_input_tokens"] > 100


def test_long_conversation_is_refused_in_words_that_make_the_client_compact_it(server, model):
    long = {"role": "user", "content": "word " * 50_000}
    response = send(server, build_request(model, long, {"role": "assistant", "content": "yes"}, long))
    assert response.status_code == 400 and failure(response)["message"].startswith("prompt is too long: ")


def test_tools_that_only_anthropic_runs_are_refused_by_name(server, model):
    search = [{"type": "web_search_20250305", "name": "web_search", "max_uses": 8}]
    error = failure(send(server, build_request(model, tools=search)))
    assert error["param"] == "tools.0" and "custom tools" in error["message"]
