"""The option `reasoning`: where the model's reasoning goes, equally in responses and in streams."""

import pytest

from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import TextDelta, ToolCall
from tests.fakes.backend import ScriptedBackend, ScriptedConversation
from tests.fakes.live_server import live
from tests.server.api.responses_client import ask, events
from tests.server.api.test_chat_completions import events as chunks

pytestmark = pytest.mark.live
THOUGHT = "Hm, let me see. "
BOXED = "so it is \\boxed{42}"
LOST = "I do not know, sorry about it all."
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
STREAMING, SEARCHING = "chain_of_thought", "self_consistency"


class ReasoningBackend(ScriptedBackend):
    """An engine whose model emits its reasoning separately from its text."""

    async def converse(self, request, prompt, salt=""):
        talk = await ScriptedBackend.converse(self, request, prompt, salt)
        return ReasoningConversation(
            talk.engine, talk.prompt_tokens, talk.model, talk.raw, talk.salt, talk.max_model_len
        )


class ReasoningConversation(ScriptedConversation):
    async def generate(self, prompt, sampling, *, on_text=None, on_abort=None):
        if on_text and not sampling.auxiliary:
            on_text(TextDelta(THOUGHT, reasoning=True))
        return await ScriptedConversation.generate(self, prompt, sampling, on_text=on_text, on_abort=on_abort)

    async def build_response(self, completions):
        body = await ScriptedConversation.build_response(self, completions)
        for choice in body["choices"]:
            choice["message"]["reasoning"] = THOUGHT
        return body


def ask_complete(server, **fields):
    message = server.ask(cache="no-store", **fields).json()["choices"][0]["message"]
    assert message.get("reasoning") == message.get("reasoning_content") or "reasoning_content" not in message
    return message["content"], message.get("reasoning")


def ask_stream(server, **fields):
    stream = chunks(server.ask(cache="no-store", stream=True, **fields))
    deltas = [chunk["choices"][0]["delta"] for chunk in stream if chunk["choices"]]
    return tuple(
        "".join(delta.get(name) or "" for delta in deltas) or None for name in ("content", "reasoning_content")
    )


def ask_response(server, **fields):
    """Return text and reasoning of a Responses stream, checking its events against its final response."""
    read = events(ask(server, cache="no-store", stream=True, **fields))
    deltas = {"response.output_text.delta": "", "response.reasoning_text.delta": ""}
    for event in read:
        if event["type"] in deltas:
            deltas[event["type"]] += event["delta"]
    items = {item["type"]: item for item in read[-1]["response"]["output"]}
    text = "".join(part["text"] for part in items["message"]["content"])
    thought = "".join(part["text"] for part in items["reasoning"]["content"]) if "reasoning" in items else ""
    assert list(deltas.values()) == [text, thought]
    return text or None, thought or None


@pytest.mark.parametrize("strategy", [STREAMING, SEARCHING])
@pytest.mark.parametrize(
    ("reasoning", "reply", "content", "reasons"),
    [
        ("inline", BOXED, BOXED, THOUGHT),
        ("inline", LOST, LOST, THOUGHT),
        ("separate", BOXED, "42", THOUGHT + BOXED),
        ("separate", LOST, LOST, THOUGHT + LOST),
        ("hidden", BOXED, "42", None),
        ("hidden", LOST, LOST, None),
    ],
)
def test_a_stream_has_the_content_and_reasoning_of_the_complete_response(strategy, reasoning, reply, content, reasons):
    asked = {"strategy": {"name": strategy, "reasoning": reasoning, "answer_format": "boxed"}}
    with live(ScriptedEngine([reply]), backend=ReasoningBackend) as server:
        assert ask_complete(server, **asked) == ask_stream(server, **asked) == (content, reasons)
        assert ask_response(server, **asked) == (content, reasons)


@pytest.mark.parametrize("strategy", [STREAMING, SEARCHING])
@pytest.mark.parametrize(("reasoning", "content", "reasons"), [("separate", LOST, LOST), ("hidden", LOST, None)])
def test_text_without_an_answer_stays_the_content(strategy, reasoning, content, reasons):
    asked = {"strategy": {"name": strategy, "reasoning": reasoning, "answer_format": "boxed"}}
    with live(ScriptedEngine([LOST])) as server:
        assert ask_complete(server, **asked) == ask_stream(server, **asked) == (content, reasons)
        assert ask_response(server, **asked) == (content, reasons)


@pytest.mark.parametrize(
    ("strategy", "reasoning", "reasons"),
    [(SEARCHING, "separate", THOUGHT), (SEARCHING, "hidden", None), (STREAMING, "hidden", None)],
)
def test_the_reasoning_before_a_tool_call_is_hidden_too(strategy, reasoning, reasons):
    asked = {"strategy": {"name": strategy, "reasoning": reasoning}, "tools": [TOOL]}
    with live(ScriptedEngine([ToolCall("add", '{"a": 1}')]), backend=ReasoningBackend) as server:
        assert ask_complete(server, **asked)[1] == ask_stream(server, **asked)[1] == reasons


def test_the_models_reasoning_is_streamed_as_it_comes():
    with live(ScriptedEngine([BOXED]), backend=ReasoningBackend) as server:
        stream = chunks(server.ask(stream=True, strategy={"name": STREAMING, "reasoning": "separate"}))
    deltas = [chunk["choices"][0]["delta"] for chunk in stream if chunk["choices"]]
    assert [delta["reasoning_content"] for delta in deltas if "reasoning_content" in delta] == [THOUGHT, BOXED]


def test_text_before_the_answer_is_streamed_as_reasoning_while_decoded():
    with live(ScriptedEngine(["so it is \\boxed{42}, no doubt"], pace=0.01)) as server:
        stream = chunks(server.ask(stream=True, strategy={"name": STREAMING, "reasoning": "separate"}))
    words = [chunk["choices"][0]["delta"].get("reasoning_content") for chunk in stream if chunk["choices"]]
    assert len([word for word in words if word]) > 3
