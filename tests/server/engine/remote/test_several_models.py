"""Two named upstreams behind one server: `--upstream small=URL --upstream large=URL`."""

import asyncio
import contextlib

import httpx

from cogitate.server.app import create_app
from cogitate.server.cache import MemoryCache
from cogitate.server.engine.factory import build_backend
from cogitate.server.observability.metrics import Metrics
from cogitate.server.serving.service import Service
from cogitate.server.settings import Settings
from cogitate.strategies.core.scripted import ScriptedProver
from tests.fakes.upstream import Script
from tests.fakes.vllm_reference import listen
from tests.server.engine.remote.fakes import start_upstreams

ASK = {
    "model": "small",
    "messages": [{"role": "user", "content": "What is 6*7 + 30?"}],
    "strategy": "self_consistency",
    "models": [{"model": "small", "n": 4}, {"model": "large", "n": 4}],
}


@contextlib.asynccontextmanager
async def serve_two():
    async with start_upstreams(Script(), Script()) as (small, large):
        settings = Settings(
            engine="openai",
            upstream=(f"small={small.url}", f"large={large.url}"),
            upstream_api_key="small=KEY-S,large=KEY-L",
        )
        backend = build_backend(settings, lambda line: None)
        service = Service(backend, MemoryCache(ttl=60), ScriptedProver(), settings, Metrics())
        ready = asyncio.Event()
        async with listen(create_app(service, on_ready=ready.set)) as url:
            await ready.wait()
            async with httpx.AsyncClient(base_url=url, timeout=20) as client:
                yield client, small, large


async def ask(client, **fields):
    return await client.post("/v1/chat/completions", json=ASK | fields)


async def test_upstreams_vote_together_each_with_its_own_key():
    async with serve_two() as (client, small, large):
        body = (await ask(client, order="together")).json()
        assert body["cogitate"]["answer"] == "72" and set(body["cogitate"]["models"]) == {"small", "large"}
        assert small.counters.choices and large.counters.choices
        keys = [{headers.get(b"authorization") for _, _, headers in fake.requests} for fake in (small, large)]
        assert keys == [{b"Bearer KEY-S"}, {b"Bearer KEY-L"}]


async def test_upstream_that_goes_down_is_a_warning_and_its_plain_requests_fail():
    async with serve_two() as (client, small, large):
        await small.stop()
        report = (await ask(client)).json()["cogitate"]
        assert report["answer"] == "72" and report["models"]["small"]["candidates"] == 0
        assert report["warnings"][0].startswith("The model small did not answer")
        plain = {name: value for name, value in ASK.items() if name not in ("strategy", "models")}
        assert (await client.post("/v1/chat/completions", json=plain)).status_code in (502, 503)
        assert (await client.post("/v1/chat/completions", json=plain | {"model": "large"})).status_code == 200
        await small.start()
