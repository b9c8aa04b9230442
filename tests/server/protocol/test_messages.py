"""Chat messages: answers that are sent back unchanged, as OpenAI's client does in every agent loop."""

import pytest
from pydantic import ValidationError

from cogitate.server.engine import Body
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.validation import to_bad_request
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import Completion, ToolCall
from tests.fakes.backend import ScriptedBackend, ScriptedConversation
from tests.fakes.live_server import HELLO, live

QUESTION = {"role": "user", "content": "And now?"}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
VLLM = {"refusal": None, "annotations": None, "audio": None, "function_call": None, "reasoning": None}
"""What vLLM 0.32 writes fields a message's content: every field that OpenAI has."""
TOOL_CALL = {"id": "c", "type": "function", "function": {"name": "add", "arguments": "{}"}}


class VllmShapedBackend(ScriptedBackend):
    """A backend whose messages have vLLM's fields."""

    async def answer(self, request, salt=""):
        body = await ScriptedBackend.answer(self, request, salt)
        return add_vllm_fields(body) if isinstance(body, dict) else body

    async def converse(self, request, prompt, salt=""):
        talk = await ScriptedBackend.converse(self, request, prompt, salt)
        return VllmShapedConversation(
            talk.engine, talk.prompt_tokens, talk.model, talk.raw, talk.salt, talk.max_model_len
        )


class VllmShapedConversation(ScriptedConversation):
    async def build_response(self, completions: list[Completion]) -> Body:
        return add_vllm_fields(await ScriptedConversation.build_response(self, completions))


def add_vllm_fields(body: Body) -> Body:
    for choice in body["choices"]:
        choice["message"] = VLLM | choice["message"]
    return body


def request(**message: object) -> ChatRequest:
    answer = {"role": "assistant"} | message
    return ChatRequest.model_validate(HELLO | {"messages": [QUESTION, answer, QUESTION]})


def refusal(**message: object) -> tuple[str | None, str]:
    with pytest.raises(ValidationError) as wrong:
        request(**message)
    error = to_bad_request(wrong.value)
    return error.param, error.message


@pytest.mark.live
@pytest.mark.parametrize("strategy", [{}, {"strategy": "self_consistency"}, {"strategy": "chain_of_thought"}])
@pytest.mark.parametrize("reply", ["so it is \\boxed{42}", ToolCall("add", '{"a": 1}')])
def test_official_client_can_send_an_answer_back(strategy, reply):
    fields = {"model": "scripted", "messages": [QUESTION], "tools": [TOOL], "extra_body": strategy}
    with live(ScriptedEngine([reply]), backend=VllmShapedBackend) as server:
        chats = server.client().chat.completions
        answers = [chats.create(**fields)]
        if not isinstance(reply, ToolCall) or strategy:
            with chats.stream(**fields) as stream:
                answers.append(stream.get_final_completion())
        for answer in answers:
            (choice,) = answer.choices
            results = [{"role": "tool", "tool_call_id": c.id, "content": "2"} for c in choice.message.tool_calls or []]
            again = chats.create(**fields | {"messages": [QUESTION, choice.message, *results, QUESTION]})
            assert again.choices[0].message.role == "assistant"
        sent = server.engine.calls[-1][0].messages[1]
    assert sent.role == "assistant" and not {"annotations", "audio", "function_call", "parsed"} & sent.extra.keys()


@pytest.mark.parametrize(
    "fields",
    [
        *({name: None} for name in (*VLLM, "name", "tool_calls", "tool_call_id", "parsed", "provider_specific_fields")),
        {"annotations": []},
        {"tool_calls": []},
        {"parsed": {"answer": 42}},
    ],
    ids=str,
)
def test_empty_fields_of_an_answer_are_ignored(fields):
    bare, full = request(content="y"), request(content="y", **fields)
    assert full.messages[1].to_message() == bare.messages[1].to_message()
    assert full.to_upstream() == bare.to_upstream()


def test_call_index_and_parsed_arguments_are_ignored():
    numbered = TOOL_CALL | {"index": 0, "function": TOOL_CALL["function"] | {"parsed_arguments": {}}}
    assert request(tool_calls=[numbered]).to_upstream() == request(tool_calls=[TOOL_CALL]).to_upstream()


def test_refusal_part_becomes_a_text_part():
    parts = [{"type": "refusal", "refusal": "I will not."}, {"type": "text", "text": " Sorry."}]
    assert request(content=parts).messages[1].to_message().text == "I will not. Sorry."
    assert request(content=parts).to_upstream()["messages"][1]["content"][0] == {"type": "text", "text": "I will not."}


def test_audio_and_image_parts_reach_the_engine_and_are_no_text():
    audio = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    parts = [{"type": "text", "text": "What is this?"}, audio, image]
    read = request(role="user", content=parts)
    message = read.messages[1].to_message()
    assert (message.text, message.content) == ("What is this?", tuple(parts))
    assert read.to_upstream()["messages"][1]["content"] == parts


def test_message_with_reasoning_alone_is_valid():
    assert request(content=None, reasoning="Hm").messages[1].to_message().extra == {"reasoning": "Hm"}


@pytest.mark.parametrize(
    ("message", "param", "words"),
    [
        ({"content": "y", "function_call": {"name": "f", "arguments": "{}"}}, "function_call", "send tool_calls"),
        ({"content": "y", "audio": {"id": "a"}}, "audio", "audio is not supported"),
        ({"content": "y", "annotations": [{"type": "url_citation"}]}, "annotations", "citations are not supported"),
        ({"content": [{"type": "refusal"}]}, "content.0.refusal", "Missing"),
        (
            {"content": [{"type": "smell", "smell": "x"}]},
            "content.0",
            "one of 'text', 'refusal', 'image_url', 'input_audio'",
        ),
        (
            {"content": [{"type": "input_audio", "input_audio": {"data": "<|x|>", "format": "wav"}}]},
            "content.0.input_audio.data",
            "pattern",
        ),
        ({"tool_calls": 0}, "tool_calls", "valid list"),
    ],
)
def test_unsupported_content_is_rejected_by_name(message, param, words):
    named, text = refusal(**message)
    assert named == f"messages.1.{param}".rstrip(".") and words in text
