"""This server's errors in Anthropic's envelope."""

import pytest

from cogitate.server.errors import (
    ApiError,
    BadRequest,
    BodyTooLarge,
    ContextTooLong,
    DeadlineExceeded,
    Forbidden,
    InternalError,
    ModelNotFound,
    NotReady,
    Overloaded,
    RequestTimeout,
    Unauthorized,
    UpstreamError,
)
from cogitate.server.protocol.anthropic_error import build_error, phrase_context_error


def build(error: ApiError) -> dict[str, object]:
    body = build_error(error.body, "id", error.status)
    assert body["type"] == "error" and body["request_id"] == "id"
    return body["error"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BadRequest("x"), "invalid_request_error"),
        (Unauthorized("x"), "authentication_error"),
        (Forbidden("x"), "permission_error"),
        (ModelNotFound("x"), "not_found_error"),
        (BodyTooLarge("x"), "request_too_large"),
        (RequestTimeout("x"), "timeout_error"),
        (Overloaded("x"), "rate_limit_error"),
        (InternalError(), "api_error"),
        (UpstreamError("x"), "api_error"),
        (NotReady("x"), "overloaded_error"),
        (DeadlineExceeded("x"), "timeout_error"),
    ],
)
def test_every_error_has_a_type_of_anthropics(error, kind):
    assert build(error)["type"] == kind


def test_error_in_a_stream_has_its_type_without_a_status():
    assert build_error(NotReady("x").body, "id")["error"]["type"] == "overloaded_error"
    assert build_error(UpstreamError("x").body, "id")["error"]["type"] == "api_error"


@pytest.mark.parametrize(
    ("param", "message", "renamed", "text"),
    [
        ("stop", "stop is not supported here.", "stop_sequences", "stop_sequences is not supported here."),
        ("response_format", "response_format: no.", "output_config.format", "output_config.format: no."),
        ("messages", "Lower max_completion_tokens.", "messages", "Lower max_tokens."),
        ("strategy.n", "Lower n.", "strategy.n", "Lower n."),
        (None, "It stopped: stop.", None, "It stopped: stop."),
    ],
)
def test_fields_have_the_names_that_the_client_sent(param, message, renamed, text):
    error = build(BadRequest(message, param=param))
    assert error["message"] == text and error.get("param") == renamed


def test_unknown_field_keeps_its_name():
    error = build(BadRequest("Unknown parameter: 'stop'.", param="stop", code="unknown_parameter"))
    assert error["param"] == "stop" and error["message"] == "Unknown parameter: 'stop'."


@pytest.mark.parametrize(
    ("message", "phrase"),
    [
        (
            "This model's maximum context length is 100 tokens. However, your prompt contains at least 101 input "
            "tokens, which exceeds this limit even without any output tokens.",
            "prompt is too long: 101 tokens > 100 maximum",
        ),
        (
            "The maximum context length is 100 tokens, and the prompt has 120.",
            "prompt is too long: 120 tokens > 100 maximum",
        ),
        (
            "Input tokens exceed the configured limit of 100 tokens. Your messages resulted in 120 tokens.",
            "prompt is too long: 120 tokens > 100 maximum",
        ),
        (
            "This model's maximum context length is 100 tokens. However, you requested 50 output tokens and your "
            "prompt contains at least 60 input tokens, for a total of 110 tokens.",
            "input length and `max_tokens` exceed context limit: 60 + 50 > 100, lower max_tokens",
        ),
        (
            "This model's maximum context length is 100 tokens. However, you requested 110 tokens (60 in the messages, "
            "50 in the completion).",
            "input length and `max_tokens` exceed context limit: 60 + 50 > 100, lower max_tokens",
        ),
        ("the context window is full", "prompt is too long: the context window is full"),
    ],
)
def test_context_that_is_too_long_has_the_phrases_that_agents_look_for(message, phrase):
    assert phrase_context_error(message) == phrase
    error = build(ContextTooLong(message, param="messages"))
    assert error["message"] == phrase and error["code"] == "context_length_exceeded"
