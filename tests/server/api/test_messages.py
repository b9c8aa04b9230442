"""POST /v1/messages over a real socket: the message, its blocks, usage and errors."""

import anthropic
import httpx
import pytest

from cogitate.server.auth.keys import create_key
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import ToolCall
from tests.fakes.backend import ScriptedBackend
from tests.fakes.live_server import eventually, live
from tests.server.api.messages_client import FIELDS, MESSAGES, TOOL, ask, connect, failure

pytestmark = pytest.mark.live
BOXED = "so it is \\boxed{42}"
VOTE = {"name": "self_consistency", "n": 3, "stop_rule": "none"}


@pytest.fixture(scope="module")
def server():
    with live(ScriptedEngine([BOXED])) as running:
        yield running


def test_message_of_a_strategy_has_every_field(server):
    body = ask(server, strategy=VOTE, cache="no-store").json()
    cogitate = body.pop("cogitate")
    assert body.pop("id").startswith("msg_")
    assert body == {
        "type": "message",
        "role": "assistant",
        "model": "scripted",
        "content": [{"type": "text", "text": BOXED}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": body["usage"]["input_tokens"],
            "output_tokens": 15,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        },
    }
    assert (cogitate["answer"], cogitate["candidates"], cogitate["cache"]) == ("42", 3, "none")


def test_plain_message_has_no_cogitate_object(server):
    body = ask(server).json()
    assert body["content"] == [{"type": "text", "text": BOXED}] and "cogitate" not in body
    assert body["usage"]["output_tokens"] == 5 and body["usage"]["input_tokens"] > 0


def test_model_name_selects_the_strategy_and_contradictions_are_refused(server):
    assert ask(server, model="scripted@self_consistency").json()["model"] == "scripted@self_consistency"
    refused = ask(server, model="scripted@self_consistency", strategy="best_of_n")
    assert refused.status_code == 400 and failure(refused)["param"] == "strategy"


def test_repeated_question_is_a_cache_hit(server):
    first, second = (ask(server, strategy=VOTE, system="Cache this.") for _ in range(2))
    assert "x-cache" not in first.headers and second.headers["x-cache"] == "hit"
    assert second.json()["cogitate"]["cache"] == "hit" and second.json()["content"] == first.json()["content"]


def test_budget_of_a_search_marks_the_answer(server):
    body = ask(server, strategy=VOTE, budget={"tokens": 1}, cache="no-store").json()
    assert body["cogitate"]["stopped"] == "budget" and body["stop_reason"] == "max_tokens"


def test_limit_that_makes_a_search_too_expensive_ends_it_instead_of_refusing_it():
    with live(ScriptedEngine([BOXED]), max_cost=100) as server:
        body = ask(server, strategy=VOTE | {"n": 8}, max_tokens=50).json()
        refused = server.ask(strategy=VOTE | {"n": 8}, max_tokens=50)
    assert body["content"][0]["text"] == BOXED and body["usage"]["output_tokens"] <= 100
    assert refused.status_code == 400


def test_limit_of_the_answer_is_reported_as_max_tokens(server):
    assert ask(server, max_tokens=2, strategy="chain_of_thought").json()["stop_reason"] == "max_tokens"


def test_separate_reasoning_is_a_thinking_block(server):
    strategy = {"name": "chain_of_thought", "reasoning": "separate"}
    thinking, text = ask(server, strategy=strategy).json()["content"]
    assert thinking["type"] == "thinking" and thinking["thinking"] == BOXED and thinking["signature"]
    assert text == {"type": "text", "text": "42"}


def test_thinking_is_left_out_or_moved_to_the_signature_as_the_client_wants(server):
    strategy = {"name": "chain_of_thought", "reasoning": "separate"}
    (text,) = ask(server, strategy=strategy, thinking={"type": "disabled"}).json()["content"]
    omitted, _ = ask(server, strategy=strategy, thinking={"type": "adaptive", "display": "omitted"}).json()["content"]
    assert text["type"] == "text" and omitted["thinking"] == "" and omitted["signature"]
    again = [*MESSAGES, {"role": "assistant", "content": [omitted, text]}, {"role": "user", "content": "Sure?"}]
    assert ask(server, messages=again).status_code == 200
    assert server.engine.calls[-1][0].messages[1].extra["reasoning"] == BOXED


def test_calls_are_tool_use_blocks_and_results_reach_the_model():
    with live(ScriptedEngine([ToolCall("weather", '{"city": "Rome"}')])) as server, connect(server) as client:
        answer = client.messages.create(**FIELDS, tools=[TOOL], extra_body={"strategy": VOTE})
        (call,) = answer.content
        assert (answer.stop_reason, call.type, call.name, call.input) == (
            "tool_use",
            "tool_use",
            "weather",
            {"city": "Rome"},
        )
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
        turns = [*MESSAGES, answer.to_param(), {"role": "user", "content": [result]}]
        client.messages.create(**FIELDS | {"messages": turns}, tools=[TOOL])
        roles = [message.role for message in server.engine.calls[-1][0].messages]
    assert roles == ["user", "assistant", "tool"]


@pytest.mark.parametrize("arguments", ["not JSON", "[1]", '{"city": "Rome", "da'])
def test_arguments_that_are_no_object_do_not_break_the_answer(arguments):
    with live(ScriptedEngine([ToolCall("weather", arguments)])) as server:
        (call,) = ask(server, tools=[TOOL]).json()["content"]
    assert call["input"] == ({"city": "Rome"} if arguments.startswith("{") else {})


def test_context_management_is_taken_and_the_answer_says_that_nothing_was_edited(server):
    edits = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}
    body = ask(server, context_management=edits, headers={"anthropic-beta": "context-management-2025-06-27"}).json()
    assert body["context_management"] == {"applied_edits": []}


@pytest.mark.parametrize(
    ("fields", "status", "kind", "param"),
    [
        ({"model": "other"}, 404, "not_found_error", "model"),
        ({"max_tokens": 0}, 400, "invalid_request_error", "max_tokens"),
        ({"strategy": "magic"}, 400, "invalid_request_error", "strategy"),
        ({"strategy": VOTE | {"n": 0}}, 400, "invalid_request_error", "strategy.n"),
        ({"strategy": "beam_search", "tools": [TOOL]}, 400, "invalid_request_error", "tools"),
        ({"strategy": "beam_search", "stop_sequences": ["\n\n"]}, 400, "invalid_request_error", "stop_sequences"),
        (
            {"strategy": "chain_of_thought", "messages": [*MESSAGES, {"role": "assistant", "content": "It"}]},
            400,
            "invalid_request_error",
            "messages",
        ),
        ({"surprise": 1}, 400, "invalid_request_error", "surprise"),
        ({"budget": {"seconds": 1}}, 400, "invalid_request_error", "budget"),
    ],
)
def test_refusals_name_the_field_in_anthropics_envelope(server, fields, status, kind, param):
    response = ask(server, **fields)
    error = failure(response)
    assert (response.status_code, error["type"], error["param"]) == (status, kind, param)


def test_prompt_that_is_too_long_is_said_in_anthropics_words(server):
    error = failure(ask(server, messages=[{"role": "user", "content": "word " * 5000}], strategy="chain_of_thought"))
    assert error["message"].startswith("prompt is too long: ") and error["type"] == "invalid_request_error"


def test_errors_raise_the_clients_classes(server):
    with connect(server) as client:
        with pytest.raises(anthropic.NotFoundError) as missing:
            client.messages.create(**FIELDS | {"model": "other"})
        with pytest.raises(anthropic.BadRequestError, match="temperature"):
            client.messages.create(**FIELDS, extra_body={"temperature": 3})
    assert missing.value.type == "not_found_error" and missing.value.request_id


def test_failed_search_is_an_api_error():
    with live(ScriptedEngine([SampleFailed("secret")])) as server:
        response = ask(server, strategy=VOTE)
    assert response.status_code == 502 and failure(response)["type"] == "api_error" and "secret" not in response.text


@pytest.mark.parametrize(
    ("send", "status", "kind"),
    [
        ({"content": b"{"}, 400, "invalid_request_error"),
        ({"content": b"{}", "headers": {"content-type": "text/plain"}}, 415, "invalid_request_error"),
        ({"json": FIELDS, "headers": {"host": "evil.example"}}, 421, "invalid_request_error"),
        ({"content": b"x" * 40_000_000}, 413, "request_too_large"),
    ],
)
def test_errors_before_the_body_is_read_have_the_envelope(server, send, status, kind):
    headers = {"content-type": "application/json"} | send.pop("headers", {})
    response = httpx.post(f"{server.url}/v1/messages", headers=headers, **send)
    assert response.status_code == status and failure(response)["type"] == kind


def test_other_methods_have_the_envelope(server):
    assert failure(httpx.get(f"{server.url}/v1/messages"))["type"] == "invalid_request_error"


class Broken(ScriptedBackend):
    async def converse(self, request, prompt, salt=""):
        raise KeyError("canary")


def test_unhandled_exceptions_have_the_envelope():
    with live(ScriptedEngine(["x"]), backend=Broken) as server:
        response = ask(server, strategy=VOTE)
    assert response.status_code == 500 and failure(response)["type"] == "api_error" and "canary" not in response.text


def test_key_is_taken_from_either_header(tmp_path):
    key = create_key(tmp_path / "keys", "acme")
    with live(ScriptedEngine([BOXED]), api_keys_file=tmp_path / "keys") as server:
        with connect(server, api_key=key) as client:
            assert client.messages.create(**FIELDS).content[0].text == BOXED
            assert FIELDS["model"] in [model.id for model in client.models.list()]
        with connect(server, api_key=None, auth_token=key) as client:
            assert client.messages.create(**FIELDS).content[0].text == BOXED
        assert ask(server, headers={"Authorization": f"Bearer {key}", "x-api-key": "sk-ant-other"}).status_code == 200
        with connect(server, api_key="wrong") as client, pytest.raises(anthropic.AuthenticationError) as refused:
            client.messages.create(**FIELDS)
        nothing = ask(server)
        other = httpx.get(f"{server.url}/v1/models", headers={"x-api-key": key})
    assert refused.value.type == "authentication_error"
    assert nothing.status_code == 401 and "x-api-key" in failure(nothing)["message"]
    assert other.status_code == 401 and other.json()["error"]["code"] == "invalid_api_key"


def test_rate_limit_of_a_key_has_the_envelope(tmp_path):
    key = create_key(tmp_path / "keys", "acme")
    path = tmp_path / "keys"
    path.write_text(path.read_text().rstrip("\n") + " requests_per_minute=1\n")
    with live(ScriptedEngine([BOXED]), api_keys_file=path) as server:
        answers = [ask(server, headers={"x-api-key": key}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert failure(answers[1])["type"] == "rate_limit_error" and answers[1].headers["retry-after"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fields", [{"strategy": VOTE}, {}], ids=["strategy", "plain"])
def test_dropped_connection_aborts_every_decode(stream, fields):
    with live(ScriptedEngine(["x"], pace=30)) as server:
        with pytest.raises(httpx.TimeoutException):
            ask(server, timeout=0.3, stream=stream, **fields)
        eventually(lambda: server.engine.running == 0 and not server.service.jobs.live)
        assert server.engine.cancelled > 0


def test_repeated_idempotency_key_gets_the_same_message(server):
    first, second = (ask(server, strategy=VOTE, cache="no-store", headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first.content == second.content
