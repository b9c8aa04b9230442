"""Conversion of a Responses request to a chat request and to the body of an upstream server."""

import pytest

from cogitate.server.errors import BadRequest
from cogitate.server.protocol.chat import ChatRequest
from tests.server.api.responses_client import QUESTION, request

USER = {"role": "user", "content": "Hi"}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "7"}
TOOL = {"type": "function", "id": "c1", "function": {"name": "f", "arguments": "{}"}}


def reasoning(*texts, **fields):
    return {"type": "reasoning", "content": [{"type": "reasoning_text", "text": t} for t in texts]} | fields


def answer(*texts, **fields):
    parts = [{"type": "output_text", "text": text} for text in texts]
    return {"role": "assistant", "type": "message", "content": parts} | fields


def messages(*items, **fields):
    body = request(input=list(items), **fields).to_chat().model_dump(exclude_unset=True, exclude_none=True)
    return body["messages"]


def test_text_input_becomes_a_user_message_after_the_instructions():
    chat = request(instructions="Be brief.").to_chat()
    assert [(message.role, message.content) for message in chat.messages] == [
        ("system", "Be brief."),
        ("user", QUESTION),
    ]


def test_empty_instructions_add_no_message():
    assert len(request(instructions="").to_chat().messages) == 1


def test_input_parts_become_chat_parts():
    image = {"type": "input_image", "image_url": "data:image/png;base64,x", "detail": "low"}
    (message,) = messages({"role": "user", "content": [{"type": "input_text", "text": "Look"}, image]})
    assert message["content"] == [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,x", "detail": "low"}},
    ]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([answer("a", "b")], [{"content": "ab"}]),
        ([answer("a"), answer("b")], [{"content": "a"}, {"content": "b"}]),
        ([answer("a"), CALL], [{"content": "a", "tool_calls": [TOOL]}]),
        ([CALL, CALL], [{"tool_calls": [TOOL, TOOL]}]),
        ([CALL, answer("a")], [{"tool_calls": [TOOL], "content": "a"}]),
        ([reasoning("r", "s"), answer("a")], [{"reasoning": "rs", "content": "a"}]),
        ([answer("a"), reasoning("r"), CALL], [{"content": "a"}, {"reasoning": "r", "tool_calls": [TOOL]}]),
        ([reasoning(), answer("a")], [{"content": "a"}]),
        (
            [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}]}, answer("a")],
            [{"reasoning": "s", "content": "a"}],
        ),
    ],
)
def test_consecutive_assistant_items_become_one_message(items, expected):
    assert messages(USER, *items)[1:] == [{"role": "assistant", **turn} for turn in expected]


def test_call_output_becomes_a_tool_message():
    assert messages(USER, CALL, RESULT)[-1] == {"role": "tool", "tool_call_id": "c1", "content": "7"}


def test_null_fields_are_ignored():
    nulls = {"phase": None, "encrypted_content": None, "namespace": None, "status": None}
    assert messages(USER, answer("a", **nulls), CALL | nulls)[1]["tool_calls"] == [TOOL]


def test_every_field_has_its_chat_counterpart():
    shared = {"temperature": 0.5, "top_p": 0.9, "seed": 3, "stop": ["x"], "user": "u", "metadata": {"a": "b"}}
    shared |= {"cache": "refresh", "strategy": {"name": "best_of_n"}, "budget": {"tokens": 9}, "top_k": 5}
    shared |= {"stream": True, "stream_options": {"include_progress": True}, "parallel_tool_calls": False}
    schema = {"name": "x", "schema": {"type": "object"}, "strict": True}
    chat = request(
        **shared,
        max_output_tokens=9,
        reasoning={"effort": "low"},
        include=["message.output_text.logprobs"],
        top_logprobs=2,
        text={"format": {"type": "json_schema", **schema}},
        tools=[{"type": "function", "name": "f", "description": "d", "parameters": {}}],
        tool_choice={"type": "function", "name": "f"},
    ).to_chat()
    assert chat == ChatRequest.model_validate(
        shared
        | {
            "model": "m",
            "messages": [{"role": "user", "content": QUESTION}],
            "max_completion_tokens": 9,
            "reasoning_effort": "low",
            "logprobs": True,
            "top_logprobs": 2,
            "response_format": {"type": "json_schema", "json_schema": schema},
            "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {}}}],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
        }
    )


def test_chat_error_has_the_field_name_of_this_api():
    with pytest.raises(BadRequest) as error:
        request(input=[USER, *[CALL] * 129]).to_chat()
    assert error.value.param == "input" and "messages" not in error.value.message


def test_upstream_body_has_no_own_fields_and_store_false():
    ours = {"strategy": {"name": "best_of_n"}, "budget": {"tokens": 5}, "cache": "refresh", "store": True}
    ours |= {"stream": True, "stream_options": {"include_progress": True}, "background": False, "prompt": None}
    assert request(**ours, top_k=5).to_upstream() == {
        "model": "m",
        "input": QUESTION,
        "stream": True,
        "top_k": 5,
        "store": False,
    }


def test_upstream_body_joins_text_parts():
    items = [USER, reasoning("r", "s", id="rs_1"), answer("a", "b", id="msg_1", status="completed"), CALL, RESULT]
    assert request(input=items).to_upstream()["input"] == [
        {"type": "message", **USER},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "rs"}]},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "ab", "annotations": []}],
        },
        CALL,
        RESULT,
    ]


def test_upstream_body_omits_empty_reasoning():
    assert len(request(input=[USER, reasoning(), answer("a")]).to_upstream()["input"]) == 2


def test_unfinished_last_message_is_continued():
    chat = request(input=[USER, answer("half", status="incomplete")]).to_chat()
    assert chat.continue_final_message is True and chat.add_generation_prompt is False
    assert request(input=[USER, answer("whole", status="completed")]).to_chat().continue_final_message is None
