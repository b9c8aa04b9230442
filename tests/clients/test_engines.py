"""The official clients under every strategy on the real engine: `cogitate serve`, alone and remote, and the plugin."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Literal

import anthropic
import openai
import pytest
import pytest_asyncio
from pydantic import BaseModel

from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME
from cogitate.strategies import STRATEGIES
from tests.clients.node_install import install_node_client
from tests.fakes.real_engine import with_arguments
from tests.fakes.vllm_reference import build_plugin_app, listen
from tests.fields.engines import ARGUMENTS, ENGINES, engines
from tests.fields.prompts import TOOLS, WEATHER
from tests.fields.requests import BASE, Server, small

pytest_plugins = ["tests.fakes.real_engine"]
pytestmark = [
    pytest.mark.faults,
    pytest.mark.engine,
    pytest.mark.shared,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("engine", [*ENGINES, "plugin"]),
    pytest.mark.parametrize("strategy", sorted(STRATEGIES.keys() - {"program_aided"})),
]
STEPWISE = {name for name, strategy in STRATEGIES.items() if strategy.stepwise}
REQUEST = {"model": DEMO_MODEL_NAME, "messages": BASE["messages"], "max_tokens": 10, "temperature": 0}


class Colour(BaseModel):
    colour: Literal["red", "blue"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers(shared_engine) -> AsyncIterator[dict[str, Server]]:
    plugin = await build_plugin_app(await with_arguments(shared_engine, **ARGUMENTS))
    async with engines(shared_engine) as running, listen(plugin) as url:
        yield running | {"plugin": Server(url, running["vllm"].client)}


@pytest_asyncio.fixture(loop_scope="session")
async def client(servers, engine) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{servers[engine].url}/v1", api_key="none", max_retries=0) as running:
        yield running


def select(strategy: str) -> dict[str, dict[str, object]]:
    """Return the client's argument that selects a strategy, with few candidates and without the cache."""
    return {"extra_body": {"strategy": small(strategy), "cache": "no-store"}}


async def test_plain_streamed_and_synchronous_answers_are_equal(servers, client, engine, strategy):
    plain = await client.chat.completions.create(**REQUEST, **select(strategy))
    stream = await client.chat.completions.create(**REQUEST, **select(strategy), stream=True)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert plain.choices[0].message.content == text and plain.cogitate["strategy"] == strategy

    def request() -> str | None:
        with openai.OpenAI(base_url=f"{servers[engine].url}/v1", api_key="none", max_retries=0) as synchronous:
            return synchronous.chat.completions.create(**REQUEST, **select(strategy)).choices[0].message.content

    assert await asyncio.to_thread(request) == text


async def test_anthropic_messages_are_the_chat_answers_plain_and_streamed(servers, client, engine, strategy):
    chat = await client.chat.completions.create(**REQUEST, **select(strategy))
    greedy = {"extra_body": select(strategy)["extra_body"] | {"temperature": 0}}  # the client has no such argument
    request = {name: value for name, value in REQUEST.items() if name != "temperature"} | greedy
    async with anthropic.AsyncAnthropic(base_url=servers[engine].url, api_key="none", max_retries=0) as other:
        message = await other.messages.create(**request)
        async with other.messages.stream(**request) as stream:
            streamed = await stream.get_final_message()
    assert message.content[0].text == streamed.content[0].text == chat.choices[0].message.content
    assert message.cogitate["strategy"] == strategy and message.usage.output_tokens == chat.usage.completion_tokens


async def test_structured_output_is_parsed_or_rejected_by_stepwise_strategies(client, strategy):
    parse = client.chat.completions.parse(**REQUEST | {"max_tokens": 32}, **select(strategy), response_format=Colour)
    if strategy in STEPWISE:
        with pytest.raises(openai.BadRequestError, match="response_format"):
            await parse
        return
    assert (await parse).choices[0].message.parsed.colour in ("red", "blue")


async def test_streaming_helper_has_the_tool_call_or_stepwise_strategies_reject_it(client, strategy):
    fields = REQUEST | {"messages": WEATHER, "tools": TOOLS, "max_tokens": 40}
    if strategy in STEPWISE:
        with pytest.raises(openai.BadRequestError, match="tools"):
            await client.chat.completions.create(**fields, **select(strategy))
        return
    async with client.chat.completions.stream(**fields, **select(strategy)) as stream:
        final = await stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Rome"})


async def test_node_client_gets_the_same_answers(servers, client, engine, strategy, packages):
    # A bias towards one word makes an answer that does not end. budget_forcing rejects it, since the bias would change
    # its own text, but its thinking is long enough to be aborted.
    endless = {} if strategy == "budget_forcing" else {"logit_bias": {28: 100}}
    request = {"strategy": small(strategy), "messages": BASE["messages"], "endless": endless}
    request |= {"weather": WEATHER, "tools": TOOLS}
    program = await asyncio.create_subprocess_exec(
        "node",
        str(packages / "one_strategy.mjs"),
        f"{servers[engine].url}/v1",
        DEMO_MODEL_NAME,
        json.dumps(request),
        stdout=asyncio.subprocess.PIPE,
    )
    results = json.loads((await program.communicate())[0])
    plain = await client.chat.completions.create(**REQUEST, **select(strategy))
    assert results == {
        "strategy": strategy,
        "text": plain.choices[0].message.content,
        "streamed": plain.choices[0].message.content,
        "called": "BadRequestError tools" if strategy in STEPWISE else "weather",
        "aborted": "APIUserAbortError",
    }


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    return install_node_client(tmp_path_factory.mktemp("node"))
