"""Variables of the chat template: any names and JSON values within limits, but no argument of the renderer."""

import pytest
from pydantic import ValidationError

from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.server.protocol.template_kwargs import MAX_BYTES, RENDERER_ARGUMENTS
from cogitate.server.protocol.validation import to_bad_request

HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"enable_thinking": False},
        {"thinking": True, "reasoning_mode": "deep", "documents": [{"title": "a", "text": "b"}], "level": 2.5},
        {"custom_instructions": None},
    ],
)
def test_any_variable_reaches_the_template(variables):
    assert ChatRequest.model_validate(HELLO | {"chat_template_kwargs": variables}).chat_template_kwargs == variables
    responses = ResponsesRequest.model_validate({"model": "tiny", "input": "x", "chat_template_kwargs": variables})
    assert responses.to_chat().chat_template_kwargs == variables


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        *(({name: 1}, name) for name in sorted(RENDERER_ARGUMENTS)),
        ({"a b": 1}, "names of variables"),
        ({"": 1}, "names of variables"),
        ({"x" * 65: 1}, "names of variables"),
        ({"{{x}}": 1}, "names of variables"),
        ({f"x{at}": 1 for at in range(65)}, "at most 64"),
        ({"x": "y" * MAX_BYTES}, "at most 100000 bytes"),
        ([1], "valid dictionary"),
    ],
)
def test_other_variables_are_rejected_by_the_fields_name(variables, words):
    with pytest.raises(ValidationError) as wrong:
        ChatRequest.model_validate(HELLO | {"chat_template_kwargs": variables})
    error = to_bad_request(wrong.value)
    assert error.param == "chat_template_kwargs" and words in error.message
