"""Tool calls and structured answers of POST /v1/responses, read by the official client's helpers."""

import json

import openai
import pytest
from pydantic import BaseModel

from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import ToolCall
from tests.fakes.live_server import live
from tests.server.api.responses_client import ask, events

pytestmark = pytest.mark.live
WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False}
PARIS = ToolCall("weather", '{"city": "Paris"}')
STRATEGIES = ["self_consistency", "best_of_n", "chain_of_thought"]


class Product(BaseModel):
    value: int
    unit: str


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_tool_call_is_an_item_of_its_own(strategy):
    with live(ScriptedEngine([PARIS])) as server:
        response = server.client().responses.create(
            model=f"scripted@{strategy}", input="Weather in Paris?", tools=[WEATHER]
        )
    (call,) = response.output
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "weather", {"city": "Paris"})
    assert call.call_id and call.status == "completed" and response.tools[0].name == "weather"


@pytest.mark.parametrize("strategy", ["self_consistency", "best_of_n"])
def test_tool_call_is_streamed_with_its_arguments(strategy):
    with live(ScriptedEngine([PARIS])) as server:
        with server.client().responses.stream(
            model=f"scripted@{strategy}", input="Weather in Paris?", tools=[WEATHER]
        ) as stream:
            read = list(stream)
            (call,) = stream.get_final_response().output
        deltas = [event.delta for event in read if event.type == "response.function_call_arguments.delta"]
        (done,) = [event for event in read if event.type == "response.function_call_arguments.done"]
    assert "".join(deltas) == done.arguments == call.arguments == PARIS.arguments


def test_conversation_continues_after_a_call():
    def script(prompt, sampling):
        return "It rains." if any(message.role == "tool" for message in prompt.messages) else PARIS

    with live(ScriptedEngine(script)) as server:
        client, turns = server.client(), [{"role": "user", "content": "Weather in Paris?"}]
        asked = {"model": "scripted@self_consistency", "tools": [WEATHER]}
        first = client.responses.create(input=turns, **asked)
        turns += first.output
        turns += [{"type": "function_call_output", "call_id": first.output[0].call_id, "output": "rain"}]
        assert client.responses.create(input=turns, **asked).output_text == "It rains."
        prompt, _ = server.engine.calls[-1]
    _, call, result = prompt.messages
    assert call.extra["tool_calls"][0]["function"] == {"name": "weather", "arguments": PARIS.arguments}
    assert result.role == "tool" and result.text == "rain"
    assert result.extra["tool_call_id"] == call.extra["tool_calls"][0]["id"]


@pytest.mark.parametrize("model", ["scripted", "scripted@self_consistency", "scripted@best_of_n"])
def test_official_client_parses_a_structured_answer(model):
    with live(ScriptedEngine(['{"value": 42, "unit": "m"}'])) as server:
        response = server.client().responses.parse(model=model, input="6*7 metres?", text_format=Product)
    assert response.output_parsed == Product(value=42, unit="m")


async def test_asynchronous_client_parses_a_streamed_structured_answer():
    with live(ScriptedEngine(['{"value": 42, "unit": "m"}'])) as server:
        async with (
            openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client,
            client.responses.stream(
                model="scripted@self_consistency", input="6*7 metres?", text_format=Product
            ) as stream,
        ):
            assert (await stream.get_final_response()).output_parsed == Product(value=42, unit="m")


def test_tool_choice_none_prevents_calls():
    with live(ScriptedEngine(["It rains."])) as server:
        body = ask(server, strategy="self_consistency", tools=[WEATHER], tool_choice="none").json()
    assert body["output"][0]["type"] == "message" and body["tool_choice"] == "none"


def test_empty_tools_equal_absent_tools():
    with live(ScriptedEngine(["It rains."])) as server:
        read = events(ask(server, strategy="self_consistency", tools=[], tool_choice="auto", stream=True))
    assert read[-1]["response"]["tools"] == []
