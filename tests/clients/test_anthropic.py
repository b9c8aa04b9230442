"""The official Anthropic client for Python under every strategy: plain, streamed, with tools, sync and async."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import anthropic
import pytest

from cogitate.strategies import STRATEGIES
from tests.clients.fake_server import run_fake_server
from tests.fakes.live_server import Live, eventually

OTHER_TEXT = {"program_aided", "budget_forcing"}
"""Strategies whose answer is not the text of a sample: one needs a sandbox, the other adds text of its own."""
STEPWISE = {name for name, strategy in STRATEGIES.items() if strategy.stepwise}
TEXT = "so it is \\boxed{42}"
TOOL = {"name": "weather", "description": "Weather.", "input_schema": {"type": "object", "properties": {}}}
pytestmark = [pytest.mark.live, pytest.mark.parametrize("strategy", sorted(STRATEGIES.keys() - OTHER_TEXT))]


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    with run_fake_server() as running:
        yield running


@pytest.fixture
def client(server: Live) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=server.url, api_key="none", max_retries=0) as running:
        yield running


@contextlib.asynccontextmanager
async def async_client(server: Live) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=server.url, api_key="none", max_retries=0) as running:
        yield running


def fields(strategy: str, question: str = "What is 6*7?") -> dict[str, object]:
    messages = [{"role": "user", "content": question}]
    return {"model": f"scripted@{strategy}", "max_tokens": 256, "messages": messages}


def test_message_has_text_usage_and_the_cogitate_object(client, strategy):
    message = client.messages.create(**fields(strategy))
    assert message.content[0].text == TEXT and message.stop_reason == "end_turn"
    assert message.usage.output_tokens > 0 and message.usage.input_tokens > 0
    assert message.cogitate["answer"] == "42"


def test_strategy_of_the_body_is_that_of_the_models_name(client, strategy):
    plain = fields(strategy) | {"model": "scripted"}
    message = client.messages.create(**plain, extra_body={"strategy": {"name": strategy}})
    assert message.cogitate["strategy"] == strategy


async def test_stream_assembles_the_message(server, strategy):
    async with async_client(server) as client:
        async with client.messages.stream(**fields(strategy), extra_body={"cache": "no-store"}) as stream:
            assert "".join([text async for text in stream.text_stream]) == TEXT
            message = await stream.get_final_message()
        events = [event async for event in await client.messages.create(**fields(strategy), stream=True)]
    assert message.stop_reason == "end_turn" and message.usage.output_tokens > 0
    assert [event.type for event in events][-2:] == ["message_delta", "message_stop"]
    assert events[-2].cogitate["answer"] == "42"


@pytest.mark.parametrize("stream", [False, True])
def test_tool_is_used_or_rejected_by_stepwise_strategies(client, strategy, stream):
    request = fields(strategy, "How is the weather?") | {"tools": [TOOL]}
    if strategy in STEPWISE:
        with pytest.raises(anthropic.BadRequestError) as rejection:
            client.messages.create(**request, stream=stream)
        assert rejection.value.body["error"]["param"] == "tools"
        return
    if stream:
        with client.messages.stream(**request) as events:
            message = events.get_final_message()
    else:
        message = client.messages.create(**request)
    call = message.content[-1]
    assert (message.stop_reason, call.name, call.input) == ("tool_use", "weather", {"city": "Rome"})


def test_tokens_are_counted_before_they_are_paid_for(client, strategy):
    request = fields(strategy)
    count = client.messages.count_tokens(model=request["model"], messages=request["messages"])
    assert 0 < count.input_tokens <= client.messages.create(**request).usage.input_tokens


def test_errors_have_the_clients_classes_and_request_ids(client, strategy):
    with pytest.raises(anthropic.NotFoundError) as missing:
        client.messages.create(**fields(strategy) | {"model": f"other@{strategy}"})
    with pytest.raises(anthropic.BadRequestError, match="temperature") as rejection:
        wrong, named = {"temperature": 3}, {"X-Request-Id": "mine"}
        client.messages.create(**fields(strategy), extra_body=wrong, extra_headers=named)
    assert missing.value.type == "not_found_error" and rejection.value.request_id == "mine"


async def test_client_timeout_frees_the_engine(server, strategy):
    async with async_client(server) as client:
        with pytest.raises(asyncio.TimeoutError):
            async with asyncio.timeout(0.3):
                await client.messages.create(**fields(strategy, "Tell me a story."))
    await asyncio.to_thread(eventually, lambda: server.engine.running == 0, 1)
