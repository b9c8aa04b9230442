"""vLLM's own parsers separate reasoning, content and tool calls, while streaming and at the end; with no engine."""

from types import SimpleNamespace

import pytest

from cogitate.server.engine.demo_model import prepare_demo_model
from cogitate.server.engine.vllm import env
from cogitate.server.settings import user_cache
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion, TextDelta, ToolCall
from tests.fakes.real_engine import report

pytestmark = pytest.mark.engine
THOUGHT = ["Here is my thought process:", " six", " times", " seven", ". ", "Here is my response:", " It is", " 42."]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


@pytest.fixture(scope="module")
def tokenizer():
    env.prepare(demo=True, quiet=True)
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(prepare_demo_model(report, user_cache())))


def load_parsers(tokenizer, **parsers):
    """Return the part of a LoadedEngine that parsers need, without an engine."""
    from vllm.parser import ParserManager

    kind = ParserManager.get_parser(enable_auto_tools="tool_parser_name" in parsers, tokenizer=tokenizer, **parsers)

    def make_parser(request, tokenizer, kwargs):
        return kind(tokenizer, request.tools, chat_template_kwargs=kwargs, model_config=None)

    serving = SimpleNamespace(
        parser_cls=kind,
        enable_auto_tools="tool_parser_name" in parsers,
        renderer=SimpleNamespace(tokenizer=tokenizer),
        _make_parser=make_parser,
        _effective_chat_template_kwargs=lambda request: {},
    )
    return SimpleNamespace(state=SimpleNamespace(openai_serving_chat=serving))


def request(**fields):
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

    return ChatCompletionRequest.model_validate({"messages": [{"role": "user", "content": "hi"}], **fields})


def stream(tokenizer, engine, chat, texts):
    from vllm.outputs import CompletionOutput

    from cogitate.server.engine.vllm.output_parser import LiveParser, build_parser

    deltas: list[TextDelta] = []
    parser = LiveParser(deltas.append, chat, [1, 2], build_parser(engine, chat))
    for at, text in enumerate(texts):
        ids = tokenizer.encode(text)
        finish = "stop" if at == len(texts) - 1 else None
        parser.feed(CompletionOutput(0, text, ids, None, None, finish_reason=finish))
    return deltas


def join(deltas, *, reasoning):
    return "".join(delta.text for delta in deltas if delta.reasoning == reasoning).strip()


def test_reasoning_and_content_are_separated_while_streaming(tokenizer):
    deltas = stream(tokenizer, load_parsers(tokenizer, reasoning_parser_name="granite"), request(), THOUGHT)
    assert join(deltas, reasoning=True) == "six times seven." and join(deltas, reasoning=False) == "It is 42."
    assert len(deltas) > 4


async def test_the_content_of_a_finished_completion_excludes_its_reasoning(tokenizer):
    from cogitate.server.engine.vllm.output_parser import parse_completion

    engine = load_parsers(tokenizer, reasoning_parser_name="granite")
    made = Completion(prompt=Prompt(()), text="".join(THOUGHT), finish="stop")
    assert (await parse_completion(engine, request(), [1], made)).content.strip() == "It is 42."


async def test_a_tool_call_is_parsed_and_not_streamed_as_text(tokenizer):
    from cogitate.server.engine.vllm.output_parser import parse_completion

    engine, asked = load_parsers(tokenizer, tool_parser_name="hermes"), request(tools=TOOLS, tool_choice="auto")
    text = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>'
    made = await parse_completion(engine, asked, [1], Completion(prompt=Prompt(()), text=text, finish="stop"))
    assert made.tool_calls == (ToolCall("weather", '{"city": "Rome"}'),) and not made.content.strip()
    assert join(stream(tokenizer, engine, asked, [text[:20], text[20:]]), reasoning=False) == ""


async def test_without_a_parser_the_text_is_streamed_unchanged(tokenizer):
    from cogitate.server.engine.vllm.output_parser import parse_completion

    serving = SimpleNamespace(parser_cls=None)
    engine = SimpleNamespace(state=SimpleNamespace(openai_serving_chat=serving))
    made = Completion(prompt=Prompt(()), text="plain", finish="stop")
    assert await parse_completion(engine, request(), [1], made) is made
    assert stream(tokenizer, engine, request(), ["pl", "ain"]) == [TextDelta("pl"), TextDelta("ain")]
