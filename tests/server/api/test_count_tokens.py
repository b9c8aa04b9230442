"""POST /v1/messages/count_tokens: the prompt is counted as it would be sent, and nothing is decoded."""

import pytest

from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import live
from tests.fakes.upstream import Script
from tests.server.api.messages_client import FIELDS, MESSAGES, TOOL, ask, connect, failure
from tests.server.engine.remote.test_end_to_end import serving

COUNT = "/v1/messages/count_tokens"
BODY = {"model": "fake", "messages": MESSAGES}


@pytest.mark.live
def test_official_client_counts_without_decoding():
    with live(ScriptedEngine(["x"])) as server, connect(server) as client:
        short = client.messages.count_tokens(model="scripted", messages=MESSAGES)
        longer = client.messages.count_tokens(model="scripted", messages=MESSAGES, system="Be brief.", tools=[TOOL])
        assert server.engine.calls == []
        answer = client.messages.create(**FIELDS)
    assert longer.input_tokens > short.input_tokens == answer.usage.input_tokens


@pytest.mark.live
def test_instruction_of_a_strategy_is_counted():
    with live(ScriptedEngine(["\\boxed{1}"])) as server, connect(server) as client:
        counts = [
            client.messages.count_tokens(model=model, messages=MESSAGES).input_tokens
            for model in ("scripted", "scripted@self_consistency")
        ]
        answer = client.messages.create(**FIELDS | {"model": "scripted@self_consistency"})
    assert counts[0] < counts[1] == answer.usage.input_tokens


@pytest.mark.live
def test_managed_context_is_counted_as_it_is():
    body = {"model": "scripted", "messages": MESSAGES, "max_tokens": None, "context_management": {"edits": []}}
    with live(ScriptedEngine(["x"])) as server:
        count = ask(server, COUNT, **body).json()
        unknown = ask(server, COUNT, model="other", max_tokens=None)
    assert count["context_management"] == {"original_input_tokens": count["input_tokens"]}
    assert unknown.status_code == 404 and failure(unknown)["param"] == "model"


async def test_upstream_counts_with_its_own_tokenizer():
    async with serving(Script()) as (client, (fake,), _):
        count = await client.post(COUNT, json=BODY)
        paths = [path for path, *_ in fake.requests if path != "/v1/models"]
    assert count.json()["input_tokens"] > 0 and paths == ["/tokenize"]


async def test_upstream_without_a_tokenizer_is_a_404_that_says_so():
    async with serving(Script(vllm=False), abilities=frozenset()) as (client, (fake,), _):
        count = await client.post(COUNT, json=BODY)
        assert count.status_code == 404 and "/tokenize" in failure(count)["message"] and fake.counters.calls == 0
