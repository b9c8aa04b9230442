"""Validation errors: short, named by their parameter, and free of the input's formatting."""

import json

import httpx
import pytest

from cogitate.server.errors import ApiError, BadRequest, truncate
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import HELLO, live
from tests.server.test_errors import envelope

pytestmark = pytest.mark.live
HUGE = "k" * 1_900_000


@pytest.fixture(scope="module")
def server():
    with live(ScriptedEngine(["\\boxed{42}"])) as started:
        yield started


def post_invalid(server, path="/v1/chat/completions", headers=None, **fields):
    response = httpx.post(f"{server.url}{path}", json=HELLO | fields, headers=headers, timeout=20)
    assert response.status_code == 400, response.text[:300]
    return envelope(response)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"metadata": {"{x}": 5}}, "metadata.{x}"),
        ({"metadata": {"{}": None}}, "metadata.{}"),
        ({"metadata": {"{": 5}}, "metadata.{"),
        ({"metadata": {"}0{": 5}}, "metadata.}0{"),
        ({"{param}": 5}, "{param}"),
        ({"tools": [{"type": "function", "function": {"name": "{0}"}}]}, "tools.0.function.name"),
    ],
)
def test_braces_in_a_field_name_are_plain_characters(server, fields, param):
    error = post_invalid(server, **fields)
    assert error["param"] == param and f"'{param}'" in error["message"]


@pytest.mark.parametrize(
    ("fields", "begins"),
    [
        ({HUGE: 1}, "kkk"),
        ({"metadata": {HUGE: 5}}, "metadata.kkk"),
        ({"metadata": {"\x01" * 5000: 5}}, "metadata.???"),
        ({"metadata": {"é🙂" * 5000: 5}}, "metadata.é🙂"),
        ({"metadata": {'"\\' * 5000: 5}}, 'metadata."\\"'),
        ({"strategy": {"name": "self_consistency", HUGE: 1}}, "strategy.kkk"),
        ({"strategy": HUGE}, "strategy"),
        ({"tts_scorer": HUGE}, "tts_scorer"),
        ({"messages": [{"role": "user", "content": [{"type": HUGE}]}]}, "messages.0.content.0"),
    ],
    ids=range(9),
)
def test_long_field_name_is_truncated_in_param(server, fields, begins):
    error = post_invalid(server, **fields)
    assert error["param"].startswith(begins) and len(error["param"].encode()) <= 120


@pytest.mark.parametrize("model", ["🙂" * 512, '"' * 512, "\x01" * 512])
def test_long_model_name_is_a_404_that_names_model(server, model):
    answer = server.ask(model=model)
    assert answer.status_code == 404 and envelope(answer)["param"] == "model"


@pytest.mark.parametrize("character", ["a", '"', "\\", "\x01", "\n", "é", "🙂", "\ud800"])
def test_error_body_is_at_most_2_kilobytes(character):
    body = BadRequest(character * 5000, param=character * 5000).body
    assert len(json.dumps(body, ensure_ascii=False).encode()) <= 2048
    assert truncate("ok é🙂\n", 100) == "ok é🙂\n" and ApiError("x").param is None


@pytest.mark.parametrize("digits", [10, 5000])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_sample_count_with_too_many_digits_is_rejected(server, digits, path):
    assert post_invalid(server, path, {"X-ITS-Budget": "9" * digits})["param"] == "X-ITS-Budget"
    assert post_invalid(server, path, budget="9" * digits)["param"] == "budget"


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"stream_options": {}}, "stream_options", "needs stream to be true"),
        ({"top_logprobs": 2}, "top_logprobs", "needs logprobs to be true"),
        ({"min_tokens": 5, "max_tokens": 3}, "min_tokens", "above max_tokens"),
        ({"min_tokens": 5, "max_completion_tokens": 3}, "min_tokens", "above max_tokens"),
        ({"response_format": {"type": "json_schema"}}, "response_format", "needs json_schema"),
    ],
)
def test_field_that_contradicts_another_is_named(server, fields, param, words):
    error = post_invalid(server, **fields)
    assert (error["param"], error["code"]) == (param, "invalid_value") and words in error["message"]


@pytest.mark.parametrize(
    ("part", "param", "words"),
    [
        ({"type": "image_url", "image_url": "x"}, "messages.0.content.0.image_url", "should be an object"),
        ({"type": "image_url", "image_url": {"url": 5}}, "messages.0.content.0.image_url.url", "valid string"),
        ({"type": "text"}, "messages.0.content.0.text", "Missing"),
        ("x", "messages.0.content.0", "should be"),
    ],
)
def test_content_part_is_named_as_the_client_wrote_it(server, part, param, words):
    error = post_invalid(server, messages=[{"role": "user", "content": [part]}])
    assert error["param"] == param and words in error["message"]


def test_list_without_content_parts_is_not_said_to_need_a_string(server):
    error = post_invalid(server, messages=[{"role": "user", "content": []}])
    assert error["param"] == "messages.0.content" and "at least 1 item" in error["message"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"])
def test_null_counts_as_absent_also_in_a_field_that_is_not_known(server, path):
    question = {"prompt": "6*7?"} if path == "/v1/completions" else {"input": "6*7?"}
    body = {"model": "scripted@self_consistency", "max_tokens": 50, **(question if "messages" not in path else {})}
    if path in ("/v1/chat/completions", "/v1/messages"):
        body = {"model": "scripted@self_consistency", "max_tokens": 50, "messages": HELLO["messages"]}
    if path == "/v1/responses":
        body["max_output_tokens"] = body.pop("max_tokens")
    nulls = dict.fromkeys(["cache", "functions", "verbosity", "web_search_options", "optillm_approach", "tts_strategy"])
    response = httpx.post(f"{server.url}{path}", json=body | nulls, timeout=20)
    assert response.status_code == 200, response.text[:300]


def test_body_that_is_no_object_is_named_body():
    with live(ScriptedEngine(["x"])) as server:
        response = httpx.post(f"{server.url}/v1/chat/completions", json=[])
    assert envelope(response)["message"].startswith("Invalid type for 'body'") and envelope(response)["param"] is None
