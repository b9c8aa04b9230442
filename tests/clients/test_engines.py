"""The official clients on the real engine, in this process and behind the remote engine, under every strategy."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Literal

import openai
import pytest
import pytest_asyncio
from pydantic import BaseModel

from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME
from cogitate.strategies import STRATEGIES
from tests.clients.node_install import installed
from tests.fields.engines import ENGINES, engines
from tests.fields.prompts import TOOLS, WEATHER
from tests.fields.requests import BASE, Server, small

pytest_plugins = ["tests.fakes.real_engine"]
pytestmark = [
    pytest.mark.faults,
    pytest.mark.engine,
    pytest.mark.shared,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("engine", ENGINES),
    pytest.mark.parametrize("strategy", sorted(STRATEGIES.keys() - {"program_aided"})),
]
STEPWISE = {name for name, strategy in STRATEGIES.items() if strategy.stepwise}
FEW = {"model": DEMO_MODEL_NAME, "messages": BASE["messages"], "max_tokens": 10, "temperature": 0}


class Colour(BaseModel):
    colour: Literal["red", "blue"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers(shared_engine) -> AsyncIterator[dict[str, Server]]:
    async with engines(shared_engine) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def client(servers, engine) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{servers[engine].url}/v1", api_key="none", max_retries=0) as started:
        yield started


def by(strategy: str) -> dict[str, object]:
    return {"extra_body": {"strategy": small(strategy), "cache": "no-store"}}


async def test_it_answers_whole_and_streamed_and_without_asyncio(servers, client, engine, strategy):
    whole = await client.chat.completions.create(**FEW, **by(strategy))
    stream = await client.chat.completions.create(**FEW, **by(strategy), stream=True)
    said = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert whole.choices[0].message.content == said and whole.cogitate["strategy"] == strategy

    def blocking() -> str | None:
        with openai.OpenAI(base_url=f"{servers[engine].url}/v1", api_key="none", max_retries=0) as plain:
            return plain.chat.completions.create(**FEW, **by(strategy)).choices[0].message.content

    assert await asyncio.to_thread(blocking) == said


async def test_structured_output_is_parsed(client, strategy):
    parsing = client.chat.completions.parse(**FEW | {"max_tokens": 32}, **by(strategy), response_format=Colour)
    if strategy in STEPWISE:
        with pytest.raises(openai.BadRequestError, match="response_format"):
            await parsing
        return
    assert (await parsing).choices[0].message.parsed.colour in ("red", "blue")


async def test_tools_are_called_in_the_streaming_helper(client, strategy):
    asked = FEW | {"messages": WEATHER, "tools": TOOLS, "max_tokens": 40}
    if strategy in STEPWISE:
        with pytest.raises(openai.BadRequestError, match="tools"):
            await client.chat.completions.create(**asked, **by(strategy))
        return
    async with client.chat.completions.stream(**asked, **by(strategy)) as stream:
        final = await stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Rome"})


async def test_the_node_client_is_told_the_same(servers, client, engine, strategy, packages):
    # A bias towards one word never ends. Where words of ours would be biased too it is refused, and a thought is long.
    endless = {} if strategy == "budget_forcing" else {"logit_bias": {28: 100}}
    asked = {"strategy": small(strategy), "messages": BASE["messages"], "endless": endless}
    asked |= {"calling": WEATHER, "tools": TOOLS}
    program = await asyncio.create_subprocess_exec(
        "node",
        str(packages / "brief.mjs"),
        f"{servers[engine].url}/v1",
        DEMO_MODEL_NAME,
        json.dumps(asked),
        stdout=asyncio.subprocess.PIPE,
    )
    told = json.loads((await program.communicate())[0])
    whole = await client.chat.completions.create(**FEW, **by(strategy))
    assert told == {
        "strategy": strategy,
        "text": whole.choices[0].message.content,
        "streamed": whole.choices[0].message.content,
        "called": "BadRequestError tools" if strategy in STEPWISE else "weather",
        "aborted": "APIUserAbortError",
    }


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    return installed(tmp_path_factory.mktemp("node"))
