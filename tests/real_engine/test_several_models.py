"""The model in this process beside an upstream's, both on the real engine: `serve MODEL --upstream NAME=URL`."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from cogitate.server.app import create_app
from cogitate.server.cache import MemoryCache
from cogitate.server.engine.fleet import ApplicationFleet
from cogitate.server.engine.remote import RemoteBackend, UpstreamConfig
from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME
from cogitate.server.equivalence.pool import EquivalencePool
from cogitate.server.observability.metrics import Metrics
from cogitate.server.serving.service import Service
from cogitate.server.settings import Settings
from tests.fakes.real_engine import with_arguments
from tests.fakes.vllm_reference import build_vllm_app, count_generated_tokens, listen

pytest_plugins = ["tests.fakes.real_engine"]
pytestmark = [pytest.mark.engine, pytest.mark.shared, pytest.mark.asyncio(loop_scope="session")]
OTHER = "other"
ASK = {"messages": [{"role": "user", "content": "Name three colours."}], "max_tokens": 12}
VOTE = {"name": "self_consistency", "stop_rule": "none"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(shared_engine) -> AsyncIterator[httpx.AsyncClient]:
    async with listen(await build_vllm_app(shared_engine)) as upstream:
        own = await with_arguments(shared_engine)
        other = RemoteBackend([UpstreamConfig(f"{upstream}/v1")], name=OTHER)
        fleet = ApplicationFleet({own.name: own, OTHER: other})
        service = Service(fleet, MemoryCache(ttl=60), EquivalencePool(), Settings(), Metrics())
        ready = asyncio.Event()
        async with listen(create_app(service, on_ready=ready.set)) as url:
            await ready.wait()
            async with httpx.AsyncClient(base_url=url, timeout=120) as client:
                async with asyncio.timeout(60):
                    while OTHER not in await list_models(client):  # noqa: ASYNC110 its abilities are being probed
                        await asyncio.sleep(0.2)
                yield client


async def list_models(client):
    return {model["id"] for model in (await client.get("/v1/models")).json()["data"]}


async def ask(client, **fields):
    response = await client.post("/v1/chat/completions", json={"model": DEMO_MODEL_NAME} | ASK | fields)
    return response.raise_for_status().json()


async def test_both_are_listed_and_answer_plain_requests(client):
    assert {DEMO_MODEL_NAME, OTHER, f"{OTHER}@self_consistency"} <= await list_models(client)
    answers = [await ask(client, model=name, temperature=0) for name in (DEMO_MODEL_NAME, OTHER)]
    texts = [answer["choices"][0]["message"]["content"] for answer in answers]
    assert texts[0] and texts[0] == texts[1] and [answer["model"] for answer in answers] == [DEMO_MODEL_NAME, OTHER]


@pytest.mark.parametrize("order", [None, "together"])
async def test_joint_vote_is_billed_by_model_as_the_engine_counts(client, order):
    models = [{"model": DEMO_MODEL_NAME, "n": 2}, {"model": OTHER, "n": 2}]
    before = count_generated_tokens()
    answer = await ask(client, strategy=VOTE | {"models": models, "order": order}, cache="no-store")
    await asyncio.sleep(0.3)
    by_model = answer["cogitate"]["models"]
    assert {name: each["candidates"] for name, each in by_model.items()} == {DEMO_MODEL_NAME: 2, OTHER: 2}
    generated = count_generated_tokens() - before
    assert answer["usage"]["completion_tokens"] == generated == sum(e["completion_tokens"] for e in by_model.values())


async def test_upstreams_model_judges_the_candidates_of_the_model_in_this_process(client):
    strategy = {"name": "best_of_n", "n": 2, "verifier": "judge", "verifier_model": OTHER, "return_candidates": True}
    report = (await ask(client, strategy=strategy, cache="no-store"))["cogitate"]
    assert report["verifier_tokens"] > 0 and all(0 <= each["score"] <= 1 for each in report["samples"])
    assert set(report["models"]) == {DEMO_MODEL_NAME, OTHER}


async def test_strategy_by_the_upstreams_name_decodes_there(client):
    report = (await ask(client, model=f"{OTHER}@self_consistency", strategy=VOTE | {"n": 2}))["cogitate"]
    assert report["candidates"] == 2
