"""What the server said may be said back to it, as OpenAI's client does in every loop of an agent."""

import pytest
from pydantic import ValidationError

from cogitate.server.engine import Body
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.validation import to_bad_request
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import Completion, ToolCall
from tests.fakes.backend import ScriptedBackend, ScriptedConversation
from tests.fakes.live_server import HELLO, live

ASKED = {"role": "user", "content": "And now?"}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
VLLM = {"refusal": None, "annotations": None, "audio": None, "function_call": None, "reasoning": None}
"""What vLLM 0.32 writes beside a message's content: every field that OpenAI has."""
CALLED = {"id": "c", "type": "function", "function": {"name": "add", "arguments": "{}"}}


class LikeVllm(ScriptedBackend):
    """Its messages have vLLM's shape."""

    async def answer(self, request, salt=""):
        body = await ScriptedBackend.answer(self, request, salt)
        return shaped(body) if isinstance(body, dict) else body

    async def converse(self, request, prompt, salt=""):
        talk = await ScriptedBackend.converse(self, request, prompt, salt)
        return Shaping(talk.engine, talk.prompt_tokens, talk.model, talk.raw, talk.salt, talk.max_model_len)


class Shaping(ScriptedConversation):
    async def present(self, completions: list[Completion]) -> Body:
        return shaped(await ScriptedConversation.build_response(self, completions))


def shaped(body: Body) -> Body:
    for choice in body["choices"]:
        choice["message"] = VLLM | choice["message"]
    return body


def request(**message: object) -> ChatRequest:
    said = {"role": "assistant"} | message
    return ChatRequest.model_validate(HELLO | {"messages": [ASKED, said, ASKED]})


def refusal(**message: object) -> tuple[str | None, str]:
    with pytest.raises(ValidationError) as wrong:
        request(**message)
    told = to_bad_request(wrong.value)
    return told.param, told.message


@pytest.mark.live
@pytest.mark.parametrize("strategy", [{}, {"strategy": "self_consistency"}, {"strategy": "chain_of_thought"}])
@pytest.mark.parametrize("reply", ["so it is \\boxed{42}", ToolCall("add", '{"a": 1}')])
def test_the_official_client_sends_an_answer_back_whole_streamed_or_parsed(strategy, reply):
    asked = {"model": "scripted", "messages": [ASKED], "tools": [TOOL], "extra_body": strategy}
    with live(ScriptedEngine([reply]), backend=LikeVllm) as server:
        chats = server.client().chat.completions
        answers = [chats.create(**asked)]
        if not isinstance(reply, ToolCall) or strategy:
            with chats.stream(**asked) as stream:
                answers.append(stream.get_final_completion())
        for answer in answers:
            (choice,) = answer.choices
            results = [{"role": "tool", "tool_call_id": c.id, "content": "2"} for c in choice.message.tool_calls or []]
            again = chats.create(**asked | {"messages": [ASKED, choice.message, *results, ASKED]})
            assert again.choices[0].message.role == "assistant"
        said = server.engine.calls[-1][0].messages[1]
    assert said.role == "assistant" and not {"annotations", "audio", "function_call", "parsed"} & said.extra.keys()


@pytest.mark.parametrize(
    "beside",
    [
        *({name: None} for name in (*VLLM, "name", "tool_calls", "tool_call_id", "parsed", "provider_specific_fields")),
        {"annotations": []},
        {"tool_calls": []},
        {"parsed": {"answer": 42}},
    ],
    ids=str,
)
def test_what_says_nothing_is_nothing(beside):
    bare, said = request(content="y"), request(content="y", **beside)
    assert said.messages[1].to_message() == bare.messages[1].to_message()
    assert said.to_upstream() == bare.to_upstream()


def test_calls_may_be_numbered_and_their_arguments_read():
    numbered = CALLED | {"index": 0, "function": CALLED["function"] | {"parsed_arguments": {}}}
    assert request(tool_calls=[numbered]).to_upstream() == request(tool_calls=[CALLED]).to_upstream()


def test_a_refusal_is_read_as_what_it_says():
    parts = [{"type": "refusal", "refusal": "I will not."}, {"type": "text", "text": " Sorry."}]
    assert request(content=parts).messages[1].to_message().text == "I will not. Sorry."
    assert request(content=parts).to_upstream()["messages"][1]["content"][0] == {"type": "text", "text": "I will not."}


def test_who_was_cut_off_in_its_thoughts_has_said_something():
    assert request(content=None, reasoning="Hm").messages[1].to_message().extra == {"reasoning": "Hm"}


@pytest.mark.parametrize(
    ("message", "param", "words"),
    [
        ({"content": "y", "function_call": {"name": "f", "arguments": "{}"}}, "function_call", "send tool_calls"),
        ({"content": "y", "audio": {"id": "a"}}, "audio", "no audio"),
        ({"content": "y", "annotations": [{"type": "url_citation"}]}, "annotations", "not read"),
        ({"content": "y", "feelings": 3}, "feelings", "Unknown parameter"),
        ({"content": None}, "", "needs content"),
        ({"content": [{"type": "refusal"}]}, "content.0.refusal.refusal", "Missing"),
        ({"content": [{"type": "smell", "smell": "x"}]}, "content.0", "one of 'text', 'refusal', 'image_url'"),
        ({"tool_calls": 0}, "tool_calls", "valid list"),
    ],
)
def test_what_would_be_lost_is_refused_by_name(message, param, words):
    named, told = refusal(**message)
    assert named == f"messages.1.{param}".rstrip(".") and words in told
