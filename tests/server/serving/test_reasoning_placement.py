"""Where reasoning goes, the engine's own and what led to an answer: the same in a stream as in the whole."""

import pytest

from cogitate.strategies.core.types import TextDelta, ToolCall
from tests.fakes.live_server import live
from tests.fakes.scripted import ScriptedBackend, ScriptedConversation, ScriptedEngine
from tests.server.api.responses_client import ask, events
from tests.server.api.test_chat_completions import events as chunks

pytestmark = pytest.mark.live
THOUGHT = "Hm, let me see. "
BOXED = "so it is \\boxed{42}"
LOST = "I do not know, sorry about it all."
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
LIVE, ASIDE = "chain_of_thought", "self_consistency"


class Thinking(ScriptedBackend):
    """An engine whose model thinks before it speaks, and keeps that apart."""

    async def converse(self, request, prompt, salt=""):
        talk = await ScriptedBackend.converse(self, request, prompt, salt)
        return Thoughtful(talk.engine, talk.prompt_tokens, talk.model, talk.raw, talk.salt, talk.longest)


class Thoughtful(ScriptedConversation):
    async def generate(self, prompt, sampling, *, on_text=None, on_abort=None):
        if on_text and not sampling.auxiliary:
            on_text(TextDelta(THOUGHT, reasoning=True))
        return await ScriptedConversation.generate(self, prompt, sampling, on_text=on_text, on_abort=on_abort)

    async def present(self, completions):
        body = await ScriptedConversation.build_response(self, completions)
        for choice in body["choices"]:
            choice["message"]["reasoning"] = THOUGHT
        return body


def whole(server, **fields):
    message = server.ask(cache="no-store", **fields).json()["choices"][0]["message"]
    assert message.get("reasoning") == message.get("reasoning_content") or "reasoning_content" not in message
    return message["content"], message.get("reasoning")


def streamed(server, **fields):
    said = chunks(server.ask(cache="no-store", stream=True, **fields))
    deltas = [chunk["choices"][0]["delta"] for chunk in said if chunk["choices"]]
    return tuple(
        "".join(delta.get(name) or "" for delta in deltas) or None for name in ("content", "reasoning_content")
    )


def responded(server, **fields):
    """By the events of the response, and by the whole of it that ends them."""
    read = events(ask(server, cache="no-store", stream=True, **fields))
    told = {"response.output_text.delta": "", "response.reasoning_text.delta": ""}
    for event in read:
        if event["type"] in told:
            told[event["type"]] += event["delta"]
    items = {item["type"]: item for item in read[-1]["response"]["output"]}
    spoken = "".join(part["text"] for part in items["message"]["content"])
    thought = "".join(part["text"] for part in items["reasoning"]["content"]) if "reasoning" in items else ""
    assert list(told.values()) == [spoken, thought]
    return spoken or None, thought or None


@pytest.mark.parametrize("strategy", [LIVE, ASIDE])
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
def test_a_stream_tells_what_the_whole_does(strategy, reasoning, reply, content, reasons):
    asked = {"strategy": {"name": strategy, "reasoning": reasoning, "answer_format": "boxed"}}
    with live(ScriptedEngine([reply]), backend=Thinking) as server:
        assert whole(server, **asked) == streamed(server, **asked) == (content, reasons)
        assert responded(server, **asked) == (content, reasons)


@pytest.mark.parametrize("strategy", [LIVE, ASIDE])
@pytest.mark.parametrize(("reasoning", "content", "reasons"), [("separate", LOST, LOST), ("hidden", LOST, None)])
def test_text_without_an_answer_is_what_the_content_is_left_with(strategy, reasoning, content, reasons):
    asked = {"strategy": {"name": strategy, "reasoning": reasoning, "answer_format": "boxed"}}
    with live(ScriptedEngine([LOST])) as server:
        assert whole(server, **asked) == streamed(server, **asked) == (content, reasons)
        assert responded(server, **asked) == (content, reasons)


@pytest.mark.parametrize(
    ("strategy", "reasoning", "reasons"),
    [(ASIDE, "separate", THOUGHT), (ASIDE, "hidden", None), (LIVE, "hidden", None)],
)
def test_what_leads_to_a_call_is_hidden_too(strategy, reasoning, reasons):
    asked = {"strategy": {"name": strategy, "reasoning": reasoning}, "tools": [TOOL]}
    with live(ScriptedEngine([ToolCall("add", '{"a": 1}')]), backend=Thinking) as server:
        assert whole(server, **asked)[1] == streamed(server, **asked)[1] == reasons


def test_the_engines_own_thought_is_heard_as_it_comes():
    with live(ScriptedEngine([BOXED]), backend=Thinking) as server:
        said = chunks(server.ask(stream=True, strategy={"name": LIVE, "reasoning": "separate"}))
    deltas = [chunk["choices"][0]["delta"] for chunk in said if chunk["choices"]]
    assert [delta["reasoning_content"] for delta in deltas if "reasoning_content" in delta] == [THOUGHT, BOXED]


def test_what_leads_to_an_answer_is_heard_as_it_is_decoded():
    with live(ScriptedEngine(["so it is \\boxed{42}, no doubt"], pace=0.01)) as server:
        said = chunks(server.ask(stream=True, strategy={"name": LIVE, "reasoning": "separate"}))
    told = [chunk["choices"][0]["delta"].get("reasoning_content") for chunk in said if chunk["choices"]]
    assert len([word for word in told if word]) > 3
