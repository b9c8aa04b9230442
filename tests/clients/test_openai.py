"""The official OpenAI client for Python under every strategy: plain, streamed, parsed, with tools, sync and async."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import openai
import pytest
from pydantic import BaseModel

from cogitate.strategies import STRATEGIES
from tests.clients.fake_server import run_fake_server
from tests.fakes.live_server import Live, eventually

OTHER_TEXT = {"program_aided", "budget_forcing"}
"""Strategies whose answer is not the text of a sample: one needs a sandbox, the other adds text of its own."""
pytestmark = [pytest.mark.live, pytest.mark.parametrize("strategy", sorted(STRATEGIES.keys() - OTHER_TEXT))]
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
STEPWISE = {name for name, strategy in STRATEGIES.items() if strategy.stepwise}


class Trip(BaseModel):
    city: str
    days: int


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    with run_fake_server() as running:
        yield running


def user_message(content: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": content}]


@contextlib.asynccontextmanager
async def async_client(server: Live) -> AsyncIterator[openai.AsyncOpenAI]:
    """A client with the default timeout of ten minutes and without retries."""
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_chat_returns_the_answer(server, strategy):
    answer = server.client().chat.completions.create(
        model="scripted", messages=user_message("What is 6*7?"), extra_body={"strategy": {"name": strategy}}
    )
    assert answer.choices[0].message.content == "so it is \\boxed{42}" and answer.cogitate["answer"] == "42"


async def test_async_chat_returns_the_answer(server, strategy):
    async with async_client(server) as client:
        answer = await client.chat.completions.create(
            model=f"scripted@{strategy}", messages=user_message("What is 6*7?")
        )
    assert answer.choices[0].finish_reason == "stop" and answer.usage.total_tokens > answer.usage.prompt_tokens > 0


def test_stream_has_text_usage_and_progress_events(server, strategy):
    chunks = list(
        server.client().chat.completions.create(
            model=f"scripted@{strategy}",
            messages=user_message("What is 6*7?"),
            stream=True,
            stream_options={"include_usage": True, "include_progress": True},
            extra_body={"cache": "no-store"},
        )
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "so it is \\boxed{42}"
    assert chunks[0].choices[0].delta.role == "assistant" and chunks[-1].usage.completion_tokens > 0
    assert any(chunk.model_extra.get("cogitate", {}).get("event") == "sampled" for chunk in chunks)
    assert len({chunk.id for chunk in chunks}) == 1


async def test_streaming_helper_returns_the_completion(server, strategy):
    async with (
        async_client(server) as client,
        client.chat.completions.stream(model=f"scripted@{strategy}", messages=user_message("What is 6*7?")) as stream,
    ):
        final = await stream.get_final_completion()
    assert final.choices[0].message.content == "so it is \\boxed{42}"


def test_structured_output_is_parsed_or_rejected_by_stepwise_strategies(server, strategy):
    parse = server.client().chat.completions.parse
    if strategy in STEPWISE:
        with pytest.raises(openai.BadRequestError) as rejection:
            parse(model=f"scripted@{strategy}", messages=user_message("Answer in JSON."), response_format=Trip)
        assert rejection.value.param == "response_format"
    else:
        answer = parse(model=f"scripted@{strategy}", messages=user_message("Answer in JSON."), response_format=Trip)
        assert answer.choices[0].message.parsed == Trip(city="Rome", days=3)


@pytest.mark.parametrize("stream", [False, True])
def test_tool_is_called_or_rejected_by_stepwise_strategies(server, strategy, stream):
    client = server.client()
    request = {"model": f"scripted@{strategy}", "messages": user_message("How is the weather?"), "tools": [TOOL]}
    if strategy in STEPWISE:
        with pytest.raises(openai.BadRequestError) as rejection:
            client.chat.completions.create(**request, stream=stream)
        assert rejection.value.param == "tools"
        return
    if stream:
        with client.chat.completions.stream(**request) as chunks:
            answer = chunks.get_final_completion()
    else:
        answer = client.chat.completions.create(**request)
    (call,) = answer.choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == ("weather", '{"city": "Rome"}')
    assert answer.choices[0].finish_reason == "tool_calls"


def test_request_id_is_returned_and_errors_have_the_clients_classes(server, strategy):
    raw = server.client().chat.completions.with_raw_response.create(
        model=f"scripted@{strategy}",
        messages=user_message("What is 6*7?"),
        extra_headers={"X-Request-Id": f"id-{strategy}"},
    )
    assert raw.headers["x-request-id"] == f"id-{strategy}" and raw.parse().choices
    with pytest.raises(openai.NotFoundError):
        server.client().chat.completions.create(model=f"other@{strategy}", messages=user_message("hi"))
    with pytest.raises(openai.BadRequestError) as rejection:
        server.client().chat.completions.create(
            model=f"scripted@{strategy}", messages=user_message("hi"), temperature=3
        )
    assert rejection.value.param == "temperature"


async def test_client_timeout_frees_the_engine(server, strategy):
    async with async_client(server) as client:
        with pytest.raises(asyncio.TimeoutError):
            async with asyncio.timeout(0.3):
                await client.chat.completions.create(
                    model=f"scripted@{strategy}", messages=user_message("Tell me a story.")
                )
    await asyncio.to_thread(eventually, lambda: server.engine.running == 0, 1)
