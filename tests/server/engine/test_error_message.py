"""What is read from an engine's error messages: the field, and whether the context is too long."""

import pytest

from cogitate.server.engine.error_message import find_field, is_context_too_long, parse_context_error


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("thinking_token_budget is set but reasoning_config is not configured.", "thinking_token_budget"),
        ("`min_tokens`, it seems, is wrong", "min_tokens"),
        ("The model does not reason.", None),
        ("", None),
    ],
)
def test_a_message_that_begins_with_a_field_name_is_about_that_field(message: str, field: str | None) -> None:
    assert find_field(message) == field


@pytest.mark.parametrize(
    ("message", "too_long"),
    [
        ("This model's maximum context length is 2048 tokens.", True),
        ("the request exceeds the available context size", True),
        ("context_length_exceeded", True),
        ("Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 289650 tokens.", True),
        ("prompt is too long: 213462 tokens > 200000 maximum", True),
        ("temperature must be non-negative", False),
        ("max_tokens=9 cannot be greater than max_model_len=8. Please request fewer output tokens.", False),
    ],
)
def test_a_context_that_is_too_long_is_recognized_by_its_phrase(message: str, too_long: bool) -> None:
    assert is_context_too_long(message) is too_long


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        (
            "This model's maximum context length is 2048 tokens. However, your prompt contains at least 2049 input "
            "tokens, which exceeds this limit even without any output tokens.",
            "limit of 2048 tokens. Your messages resulted in at least 2049 tokens. Please",
        ),
        (
            "Input length (3000) exceeds model's maximum context length (2048).",
            "limit of 2048 tokens. Your messages resulted in 3000 tokens. Please",
        ),
        (
            "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 289650 tokens. "
            "Please reduce the length of the messages.",
            "limit of 272000 tokens. Your messages resulted in 289650 tokens. Please",
        ),
        (
            "request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it",
            "limit of 4096 tokens. Your messages resulted in 5000 tokens. Please",
        ),
    ],
)
def test_error_has_openais_wording_with_the_engines_numbers(reason: str, message: str) -> None:
    error = parse_context_error(reason, "messages")
    assert error.message.startswith(f"Input tokens exceed the configured {message} reduce the length of the messages.")
    assert (error.code, error.param) == ("context_length_exceeded", "messages")


def test_error_keeps_the_engines_reason_where_it_has_no_numbers() -> None:
    reason = "The maximum context length is 4096 tokens, max_tokens cannot be 50"
    message = parse_context_error(reason, "messages").message
    assert message.startswith("Input tokens exceed the configured limit of 4096 tokens. Please") and reason in message
