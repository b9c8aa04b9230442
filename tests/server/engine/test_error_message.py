"""What is read from an engine's error messages: the field, and whether the context is too long."""

import pytest

from cogitate.server.engine.error_message import find_field, is_context_too_long


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
        ("temperature must be non-negative", False),
    ],
)
def test_a_context_that_is_too_long_is_recognized_by_its_phrase(message: str, too_long: bool) -> None:
    assert is_context_too_long(message) is too_long
