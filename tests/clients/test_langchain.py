"""LangChain's ChatOpenAI against a scripted server."""

from collections.abc import Iterator

import pytest
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessageChunk
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from tests.clients.fake_server import run_fake_server
from tests.fakes.live_server import Live

pytestmark = pytest.mark.live


class Trip(BaseModel):
    city: str
    days: int


@tool
def weather(city: str) -> str:
    """Return the weather in a city."""
    return f"sunny in {city}"


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    with run_fake_server() as running:
        yield running


def chat(server: Live, model: str = "scripted", **options: object) -> ChatOpenAI:
    return ChatOpenAI(base_url=f"{server.url}/v1", api_key="none", model=model, max_retries=0, **options)


def test_model_name_with_suffix_selects_the_strategy(server):
    answer = chat(server, "scripted@self_consistency").invoke("What is 6*7?")
    assert answer.content == "so it is \\boxed{42}" and answer.usage_metadata["output_tokens"] > 5


def test_extra_body_sets_strategy_options(server):
    strategy = {"name": "self_consistency", "n": 3, "stop_rule": "none"}
    answer = chat(server, extra_body={"strategy": strategy}).invoke("What is 6*7, really?")
    assert answer.usage_metadata["output_tokens"] == 15


async def test_stream_yields_the_answer_in_chunks(server):
    chunks: list[AIMessageChunk] = [
        chunk async for chunk in chat(server, "scripted@chain_of_thought").astream("What is 6*7?")
    ]
    assert "".join(str(chunk.content) for chunk in chunks) == "so it is \\boxed{42}" and len(chunks) > 4


def test_bound_tool_is_called(server):
    answer = chat(server, "scripted@self_consistency").bind_tools([weather]).invoke("How is the weather?")
    (call,) = answer.tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "Rome"})


def test_structured_output_is_an_instance_of_the_schema(server):
    model = chat(server, "scripted@self_consistency").with_structured_output(Trip)
    assert model.invoke("Answer in JSON.") == Trip(city="Rome", days=3)


@pytest.mark.parametrize("model", ["scripted", "scripted@self_consistency"])
@pytest.mark.parametrize("options", [{}, {"use_responses_api": True}])
@pytest.mark.parametrize("stream", [False, True])
def test_prompt_longer_than_the_context_is_a_context_overflow(server, model, options, stream):
    client, prompt = chat(server, model, **options), "word " * 5000
    with pytest.raises(ContextOverflowError) as overflow:
        list(client.stream(prompt)) if stream else client.invoke(prompt)
    assert "Input tokens exceed the configured limit of 4096 tokens." in str(overflow.value)
    assert overflow.value.code == "context_length_exceeded"


def test_responses_api_returns_the_answer(server):
    answer = chat(server, "scripted@self_consistency", use_responses_api=True).invoke("What is 6*7?")
    assert answer.text == "so it is \\boxed{42}"
