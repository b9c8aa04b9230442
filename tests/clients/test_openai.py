"""The official OpenAI client for Python under every strategy: whole, streamed, parsed, with tools, sync and async."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import openai
import pytest
from pydantic import BaseModel

from cogitate.strategies import STRATEGIES
from tests.clients.fake_server import answering
from tests.fakes.live_server import Live, eventually

UNLIKE = {"program_aided", "budget_forcing"}
"""Their answers are not what a sample says: one needs a sandbox, the other says words of its own."""
pytestmark = [pytest.mark.live, pytest.mark.parametrize("strategy", sorted(STRATEGIES.keys() - UNLIKE))]
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
STEPWISE = {name for name, strategy in STRATEGIES.items() if strategy.stepwise}


class Trip(BaseModel):
    city: str
    days: int


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    with answering() as started:
        yield started


def says(content: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": content}]


@contextlib.asynccontextmanager
async def patient(server: Live) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_a_chat(server, strategy):
    answer = server.client().chat.completions.create(
        model="scripted", messages=says("What is 6*7?"), extra_body={"strategy": {"name": strategy}}
    )
    assert answer.choices[0].message.content == "so it is \\boxed{42}" and answer.cogitate["answer"] == "42"


async def test_an_asynchronous_chat(server, strategy):
    async with patient(server) as client:
        answer = await client.chat.completions.create(model=f"scripted@{strategy}", messages=says("What is 6*7?"))
    assert answer.choices[0].finish_reason == "stop" and answer.usage.total_tokens > answer.usage.prompt_tokens > 0


def test_a_stream_with_its_usage_and_its_progress(server, strategy):
    chunks = list(
        server.client().chat.completions.create(
            model=f"scripted@{strategy}",
            messages=says("What is 6*7?"),
            stream=True,
            stream_options={"include_usage": True, "include_progress": True},
            extra_body={"cache": "no-store"},
        )
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "so it is \\boxed{42}"
    assert chunks[0].choices[0].delta.role == "assistant" and chunks[-1].usage.completion_tokens > 0
    assert any(chunk.model_extra.get("cogitate", {}).get("event") == "sampled" for chunk in chunks)
    assert len({chunk.id for chunk in chunks}) == 1


async def test_the_streaming_helper(server, strategy):
    async with (
        patient(server) as client,
        client.chat.completions.stream(model=f"scripted@{strategy}", messages=says("What is 6*7?")) as stream,
    ):
        final = await stream.get_final_completion()
    assert final.choices[0].message.content == "so it is \\boxed{42}"


def test_structured_output_is_parsed(server, strategy):
    parse = server.client().chat.completions.parse
    if strategy in STEPWISE:
        with pytest.raises(openai.BadRequestError) as refused:
            parse(model=f"scripted@{strategy}", messages=says("Answer in JSON."), response_format=Trip)
        assert refused.value.param == "response_format"
    else:
        answer = parse(model=f"scripted@{strategy}", messages=says("Answer in JSON."), response_format=Trip)
        assert answer.choices[0].message.parsed == Trip(city="Rome", days=3)


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_call(server, strategy, stream):
    client = server.client()
    asked = {"model": f"scripted@{strategy}", "messages": says("How is the weather?"), "tools": [TOOL]}
    if strategy in STEPWISE:
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(**asked, stream=stream)
        assert refused.value.param == "tools"
        return
    if stream:
        with client.chat.completions.stream(**asked) as chunks:
            answer = chunks.get_final_completion()
    else:
        answer = client.chat.completions.create(**asked)
    (call,) = answer.choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == ("weather", '{"city": "Rome"}')
    assert answer.choices[0].finish_reason == "tool_calls"


def test_headers_and_the_clients_own_classes_of_error(server, strategy):
    raw = server.client().chat.completions.with_raw_response.create(
        model=f"scripted@{strategy}", messages=says("What is 6*7?"), extra_headers={"X-Request-Id": f"id-{strategy}"}
    )
    assert raw.headers["x-request-id"] == f"id-{strategy}" and raw.parse().choices
    with pytest.raises(openai.NotFoundError):
        server.client().chat.completions.create(model=f"other@{strategy}", messages=says("hi"))
    with pytest.raises(openai.BadRequestError) as refused:
        server.client().chat.completions.create(model=f"scripted@{strategy}", messages=says("hi"), temperature=3)
    assert refused.value.param == "temperature"


async def test_giving_up_frees_the_engine(server, strategy):
    async with patient(server) as client:
        with pytest.raises(asyncio.TimeoutError):
            async with asyncio.timeout(0.3):
                await client.chat.completions.create(model=f"scripted@{strategy}", messages=says("Tell me a story."))
    await asyncio.to_thread(eventually, lambda: server.engine.running == 0, 1)
