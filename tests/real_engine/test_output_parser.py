"""What a decode says, by vLLM's own parsers, live and in the end: on their texts, with the demo model's tokenizer."""

from types import SimpleNamespace

import pytest

from cogitate.server.engine.demo_model import demo_model
from cogitate.server.engine.vllm import env
from cogitate.server.settings import user_cache
from cogitate.strategies.core.types import Call, Completion, Prompt, Speech
from tests.fakes.real_engine import say

pytestmark = pytest.mark.engine
THOUGHT = ["Here is my thought process:", " six", " times", " seven", ". ", "Here is my response:", " It is", " 42."]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


@pytest.fixture(scope="module")
def tokenizer():
    env.prepare(demo=True, quiet=True)
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(demo_model(say, user_cache())))


def loaded(tokenizer, **parsers):
    """The part of a loaded engine that reads texts: vLLM's own parsers, and no engine behind them."""
    from vllm.parser import ParserManager

    kind = ParserManager.get_parser(enable_auto_tools="tool_parser_name" in parsers, tokenizer=tokenizer, **parsers)

    def made(request, tokenizer, kwargs):
        return kind(tokenizer, request.tools, chat_template_kwargs=kwargs, model_config=None)

    serving = SimpleNamespace(
        parser_cls=kind,
        enable_auto_tools="tool_parser_name" in parsers,
        renderer=SimpleNamespace(tokenizer=tokenizer),
        _make_parser=made,
        _effective_chat_template_kwargs=lambda request: {},
    )
    return SimpleNamespace(state=SimpleNamespace(openai_serving_chat=serving))


def request(**fields):
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

    return ChatCompletionRequest.model_validate({"messages": [{"role": "user", "content": "hi"}], **fields})


def heard(tokenizer, engine, asked, texts):
    from vllm.outputs import CompletionOutput

    from cogitate.server.engine.vllm.output_parser import Speaker, parser_of

    speeches: list[Speech] = []
    speaker = Speaker(speeches.append, asked, [1, 2], parser_of(engine, asked))
    for at, text in enumerate(texts):
        ids = tokenizer.encode(text)
        finish = "stop" if at == len(texts) - 1 else None
        speaker.hear(CompletionOutput(0, text, ids, None, None, finish_reason=finish))
    return speeches


def joined(speeches, *, reasoning):
    return "".join(speech.text for speech in speeches if speech.reasoning == reasoning).strip()


def test_reasoning_and_answer_are_told_apart_while_they_are_said(tokenizer):
    speeches = heard(tokenizer, loaded(tokenizer, reasoning_parser_name="granite"), request(), THOUGHT)
    assert joined(speeches, reasoning=True) == "six times seven." and joined(speeches, reasoning=False) == "It is 42."
    assert len(speeches) > 4


async def test_and_when_all_is_said_the_content_is_what_is_voted_on(tokenizer):
    from cogitate.server.engine.vllm.output_parser import understood

    engine = loaded(tokenizer, reasoning_parser_name="granite")
    made = Completion(prompt=Prompt(()), text="".join(THOUGHT), finish="stop")
    assert (await understood(engine, request(), [1], made)).content.strip() == "It is 42."


async def test_a_tool_call_is_read_and_not_spoken(tokenizer):
    from cogitate.server.engine.vllm.output_parser import understood

    engine, asked = loaded(tokenizer, tool_parser_name="hermes"), request(tools=TOOLS, tool_choice="auto")
    text = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>'
    made = await understood(engine, asked, [1], Completion(prompt=Prompt(()), text=text, finish="stop"))
    assert made.calls == (Call("weather", '{"city": "Rome"}'),) and not made.content.strip()
    assert joined(heard(tokenizer, engine, asked, [text[:20], text[20:]]), reasoning=False) == ""


async def test_without_a_parser_the_text_is_the_answer(tokenizer):
    from cogitate.server.engine.vllm.output_parser import understood

    serving = SimpleNamespace(parser_cls=None)
    engine = SimpleNamespace(state=SimpleNamespace(openai_serving_chat=serving))
    made = Completion(prompt=Prompt(()), text="plain", finish="stop")
    assert await understood(engine, request(), [1], made) is made
    assert heard(tokenizer, engine, request(), ["pl", "ain"]) == [Speech("pl"), Speech("ain")]
