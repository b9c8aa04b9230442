"""POST /v1/messages on the real engine, in process and over the remote engine, beside vLLM's own Messages API."""

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
import pytest_asyncio

from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME
from tests.clients.claude_code import HEADERS, TOOLS, build_request
from tests.fakes.real_engine import with_arguments
from tests.fakes.vllm_reference import serve_pair
from tests.fields.engines import ARGUMENTS, remote
from tests.fields.prompts import WEATHER

pytest_plugins = ["tests.fakes.real_engine"]
pytestmark = [pytest.mark.engine, pytest.mark.shared, pytest.mark.asyncio(loop_scope="session")]
ENGINES = ("vllm", "remote")
HELLO = {"model": DEMO_MODEL_NAME, "messages": [{"role": "user", "content": "Name three colours."}], "max_tokens": 16}
CITY = {"type": "object", "properties": {"city": {"enum": ["Rome", "Paris"]}}, "required": ["city"]}
TOOL = {"name": "weather", "input_schema": CITY}
VOTE = {"extra_body": {"strategy": {"name": "self_consistency", "n": 3}, "cache": "no-store", "temperature": 0.0}}
GREEDY = {"extra_body": {"temperature": 0.0}}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def urls(shared_engine) -> AsyncIterator[dict[str, str]]:
    engine = await with_arguments(shared_engine, **ARGUMENTS)
    async with serve_pair(engine) as pair, remote(f"{pair.vllms}/v1") as url:
        yield {"vllm": pair.ours, "remote": url, "reference": pair.vllms}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def clients(urls) -> AsyncIterator[dict[str, anthropic.AsyncAnthropic]]:
    opened = {name: anthropic.AsyncAnthropic(base_url=url, api_key="none", max_retries=0) for name, url in urls.items()}
    yield opened
    for client in opened.values():
        await client.close()


def summarize(message: anthropic.types.Message) -> dict[str, Any]:
    """What does not differ between two answers to one request."""
    usage = message.usage
    prompt = usage.input_tokens + (usage.cache_read_input_tokens or 0)
    content = [block.to_dict() for block in message.content]
    for block in content:
        block.pop("id", None)
    return {
        "content": content,
        "stop": (message.stop_reason, message.stop_sequence),
        "tokens": (prompt, usage.output_tokens),
    }


PLAIN: list[dict[str, Any]] = [
    {},
    {"system": [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}]},
    {"stop_sequences": ["\n"]},
    {"extra_body": {"temperature": 0.0, "top_p": 0.9, "top_k": 20}},
    {"thinking": {"type": "disabled"}},
    {"messages": WEATHER, "tools": [TOOL], "max_tokens": 40},
    {"messages": WEATHER, "tools": [TOOL], "tool_choice": {"type": "any"}, "max_tokens": 40},
    {"messages": WEATHER, "tools": [TOOL], "tool_choice": {"type": "tool", "name": "weather"}, "max_tokens": 40},
    {"output_config": {"format": {"type": "json_schema", "schema": CITY}}, "max_tokens": 30},
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("fields", PLAIN, ids=lambda fields: "-".join(fields) or "plain")
async def test_plain_answers_are_those_of_vllms_own_api(clients, engine, fields):
    body = HELLO | GREEDY | fields
    expected, answer = [await clients[name].messages.create(**body) for name in ("reference", engine)]
    async with clients[engine].messages.stream(**body) as stream:
        streamed = await stream.get_final_message()
    assert summarize(answer) == summarize(streamed) == summarize(expected)


@pytest.mark.parametrize("engine", ENGINES)
async def test_strategy_answers_with_and_without_a_stream(clients, engine):
    body = HELLO | VOTE
    answer = await clients[engine].messages.create(**body)
    async with clients[engine].messages.stream(**body) as stream:
        streamed = await stream.get_final_message()
    assert summarize(answer)["content"] == summarize(streamed)["content"]
    assert answer.cogitate["strategy"] == "self_consistency"
    assert answer.usage.output_tokens > len(answer.content)  # every sample is billed


@pytest.mark.parametrize("engine", ENGINES)
async def test_strategy_votes_on_calls(clients, engine):
    body = HELLO | {"messages": WEATHER, "tools": [TOOL], "max_tokens": 40} | VOTE
    answer = await clients[engine].messages.create(**body)
    (call,) = answer.content
    assert (answer.stop_reason, call.name, call.input) == ("tool_use", "weather", {"city": "Rome"})


@pytest.mark.parametrize("engine", ENGINES)
async def test_stop_sequence_is_named(clients, engine):
    answer = await clients[engine].messages.create(**HELLO, stop_sequences=["e"], **VOTE)
    assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", "e")


@pytest.mark.parametrize("engine", ENGINES)
async def test_counts_are_those_of_vllms_own_api_and_of_the_bill(clients, engine):
    prompt = {name: HELLO[name] for name in ("model", "messages")} | {"system": "Be brief."}
    expected, count = [await clients[name].messages.count_tokens(**prompt) for name in ("reference", engine)]
    answer = await clients[engine].messages.create(**prompt, max_tokens=1)
    assert expected.input_tokens == count.input_tokens == summarize(answer)["tokens"][0]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("model", [DEMO_MODEL_NAME, f"{DEMO_MODEL_NAME}@self_consistency"])
async def test_claude_code_gets_an_answer(clients, engine, model):
    body = build_request(model, tools=TOOLS[:20], max_tokens=1500, stop_sequences=[" "]) | {"temperature": 0}
    cases = [{}, {"thinking": {"type": "disabled"}}]
    if engine == "remote" or "@" in model:  # vLLM's own route refuses a budget where it has no reasoning parser
        cases.append({"thinking": {"type": "enabled", "budget_tokens": 1024}})
    for fields in cases:
        response = await clients[engine].post(
            "/v1/messages?beta=true", body=body | fields, cast_to=str, options={"headers": HEADERS}
        )
        assert "event: message_stop" in response and "event: error" not in response


@pytest.mark.parametrize("engine", ENGINES)
async def test_context_that_is_too_long_is_said_in_anthropics_words(clients, engine):
    long = HELLO | {"messages": [{"role": "user", "content": "word " * 5000}]}
    for fields in ({}, VOTE):
        with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
            await clients[engine].messages.create(**long, **fields)
