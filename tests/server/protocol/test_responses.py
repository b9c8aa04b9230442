"""One request in three tongues: as the client wrote it, as a chat, and as another server of this API takes it."""

import pytest

from cogitate.server.errors import BadRequest
from cogitate.server.protocol.chat import ChatRequest
from tests.server.api.responses_client import QUESTION, request

SAID = {"role": "user", "content": "Hi"}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "7"}
TOOL = {"type": "function", "id": "c1", "function": {"name": "f", "arguments": "{}"}}


def reasoning(*texts, **fields):
    return {"type": "reasoning", "content": [{"type": "reasoning_text", "text": t} for t in texts]} | fields


def said(*texts, **fields):
    parts = [{"type": "output_text", "text": text} for text in texts]
    return {"role": "assistant", "type": "message", "content": parts} | fields


def messages(*items, **fields):
    body = request(input=list(items), **fields).to_chat().model_dump(exclude_unset=True, exclude_none=True)
    return body["messages"]


def test_a_text_is_what_the_user_says_after_the_instructions():
    chat = request(instructions="Be brief.").to_chat()
    assert [(message.role, message.content) for message in chat.messages] == [
        ("system", "Be brief."),
        ("user", QUESTION),
    ]


def test_empty_instructions_are_none():
    assert len(request(instructions="").to_chat().messages) == 1


def test_parts_become_a_chats_parts():
    image = {"type": "input_image", "image_url": "data:image/png;base64,x", "detail": "low"}
    (message,) = messages({"role": "user", "content": [{"type": "input_text", "text": "Look"}, image]})
    assert message["content"] == [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,x", "detail": "low"}},
    ]


@pytest.mark.parametrize(
    ("items", "turns"),
    [
        ([said("a", "b")], [{"content": "ab"}]),
        ([said("a"), said("b")], [{"content": "a"}, {"content": "b"}]),
        ([said("a"), CALL], [{"content": "a", "tool_calls": [TOOL]}]),
        ([CALL, CALL], [{"tool_calls": [TOOL, TOOL]}]),
        ([CALL, said("a")], [{"tool_calls": [TOOL], "content": "a"}]),
        ([reasoning("r", "s"), said("a")], [{"reasoning": "rs", "content": "a"}]),
        ([said("a"), reasoning("r"), CALL], [{"content": "a"}, {"reasoning": "r", "tool_calls": [TOOL]}]),
        ([reasoning(), said("a")], [{"content": "a"}]),
        (
            [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}]}, said("a")],
            [{"reasoning": "s", "content": "a"}],
        ),
    ],
)
def test_what_the_assistant_did_in_a_row_is_one_turn(items, turns):
    assert messages(SAID, *items)[1:] == [{"role": "assistant", **turn} for turn in turns]


def test_results_are_the_tools_turns():
    assert messages(SAID, CALL, RESULT)[-1] == {"role": "tool", "tool_call_id": "c1", "content": "7"}


def test_nulls_say_nothing():
    nulls = {"phase": None, "encrypted_content": None, "namespace": None, "status": None}
    assert messages(SAID, said("a", **nulls), CALL | nulls)[1]["tool_calls"] == [TOOL]


def test_every_field_keeps_its_meaning():
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


def test_what_a_chat_alone_refuses_is_named_as_it_is_written_here():
    with pytest.raises(BadRequest) as refused:
        request(input=[SAID, *[CALL] * 129]).to_chat()
    assert refused.value.param == "input" and "messages" not in refused.value.message


def test_what_is_ours_is_not_forwarded_and_nothing_is_to_be_stored():
    ours = {"strategy": {"name": "best_of_n"}, "budget": {"tokens": 5}, "cache": "refresh", "store": True}
    ours |= {"stream": True, "stream_options": {"include_progress": True}, "background": False, "prompt": None}
    assert request(**ours, top_k=5).to_upstream() == {
        "model": "m",
        "input": QUESTION,
        "stream": True,
        "top_k": 5,
        "store": False,
    }


def test_several_texts_are_forwarded_as_one_for_servers_that_read_only_the_first():
    items = [SAID, reasoning("r", "s", id="rs_1"), said("a", "b", id="msg_1", status="completed"), CALL, RESULT]
    assert request(input=items).to_upstream()["input"] == [
        {"type": "message", **SAID},
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


def test_reasoning_that_says_nothing_is_left_out():
    assert len(request(input=[SAID, reasoning(), said("a")]).to_upstream()["input"]) == 2


def test_an_unfinished_last_message_is_to_be_continued():
    chat = request(input=[SAID, said("half", status="incomplete")]).to_chat()
    assert chat.continue_final_message is True and chat.add_generation_prompt is False
    assert request(input=[SAID, said("whole", status="completed")]).to_chat().continue_final_message is None
