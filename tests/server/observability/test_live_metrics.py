"""The metrics of running servers: their series, refusals, tokens by tenant, the queue, and upstreams."""

import asyncio
import contextlib
import hashlib
import re
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import httpx
import pytest

from cogitate.server.app import create_app
from cogitate.server.cache import MemoryCache
from cogitate.server.engine.factory import build_backend
from cogitate.server.observability.metrics import Metrics
from cogitate.server.serving.service import Service
from cogitate.server.settings import Settings
from cogitate.strategies import STRATEGIES
from cogitate.strategies.core.scripted import ScriptedEngine, ScriptedProver
from tests.fakes.live_server import HELLO, eventually, live
from tests.fakes.upstream import Script
from tests.fakes.vllm_reference import listen
from tests.resilience.measure import read_metric
from tests.server.engine.remote.fakes import start_upstreams

pytestmark = pytest.mark.live

VOTE = {"name": "self_consistency", "n": 3, "stop_rule": "none"}
QUESTIONS: dict[str, dict[str, object]] = {
    "chat/completions": {"messages": HELLO["messages"]},
    "completions": {"prompt": "6*7"},
    "responses": {"input": "6 times 7", "max_tokens": None},
    "messages": {"messages": HELLO["messages"], "system": "Say."},
    "decisions": {"input": "x", "questions": [{"type": "predicate", "instructions": "Is it?"}]},
    "nothing": {},
}
SERIES = re.compile(r"^(cogitate_[^ ]+) ", re.MULTILINE)


def write_line(tenant: str, *limits: str) -> str:
    return " ".join((hashlib.sha256(f"key of {tenant}".encode()).hexdigest(), tenant, *limits)) + "\n"


def authorize(tenant: str) -> dict[str, str]:
    return {"Authorization": f"Bearer key of {tenant}"}


def scrape(server, headers=None) -> str:
    return httpx.get(f"{server.url}/metrics", headers=headers).text


def test_every_series_of_ours_exists_from_the_start(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text(write_line("acme") + write_line("beta"))
    with live(ScriptedEngine(["so \\boxed{42}"]), api_keys_file=keys) as server:
        before = set(SERIES.findall(scrape(server, authorize("acme"))))
        for name in STRATEGIES:
            server.ask(headers=authorize("beta"), strategy=name, max_tokens=20)
        for path, question in QUESTIONS.items():
            for fields in (question, {"model": 7}):
                body = {"model": "scripted", "max_tokens": 9, "strategy": VOTE} | fields
                httpx.post(f"{server.url}/v1/{path}", json=body, headers=authorize("acme"))
        server.ask(stream=True, headers=authorize("acme"))
        server.ask()
        after = scrape(server, authorize("acme"))
    assert set(SERIES.findall(after)) - before == set()
    assert read_metric(after, 'cogitate_stopped_total{reason="completed",strategy="self_consistency"}') >= 2
    assert read_metric(after, 'cogitate_refused_total{reason="invalid_request"}') > 4


def test_a_429_is_told_from_a_400_and_one_limit_from_another(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text(write_line("acme", "generations=2") + write_line("slow", "requests_per_minute=1"))
    engine = ScriptedEngine(["x"], pace=0.02)
    with live(engine, api_keys_file=keys, max_concurrent_requests=1) as server, ThreadPoolExecutor(1) as pool:
        ask = server.ask
        first = pool.submit(ask, headers=authorize("acme"), strategy={"name": "self_consistency", "n": 2})
        eventually(lambda: engine.running)
        answers = [
            ask(headers=authorize("slow")),
            ask(headers=authorize("slow")),
            ask(headers=authorize("acme")),
            ask(headers=authorize("acme"), temperature=9),
            ask(headers={"Authorization": "Bearer wrong"}),
        ]
        assert first.result().status_code == 200
        text = scrape(server, authorize("acme"))
    assert [answer.status_code for answer in answers] == [429, 429, 429, 400, 401]
    found = re.findall(r'^cogitate_refused_total{reason="(\w+)"} ([1-9])', text, re.MULTILINE)
    reasons = {
        "server_requests": 1,
        "key_requests": 1,
        "key_generations": 1,
        "invalid_request": 1,
        "invalid_api_key": 1,
    }
    assert {name: int(count) for name, count in found} == reasons


def read_tenants(text: str) -> dict[tuple[str, str], float]:
    found = re.findall(r'^cogitate_tenant_tokens_total{kind="(\w+)",tenant="(\w+)"} (\S+)$', text, re.MULTILINE)
    return {(tenant, kind): float(count) for kind, tenant, count in found}


def test_tokens_are_counted_by_tenant_and_a_new_tenant_has_series_once_the_file_is_read(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text(write_line("acme") + write_line("beta"))
    with live(ScriptedEngine(["so \\boxed{42}"]), api_keys_file=keys) as server:
        start = read_tenants(scrape(server, authorize("acme")))
        assert start == dict.fromkeys(
            [(name, kind) for name in ("acme", "beta") for kind in ("prompt", "generated")], 0
        )
        usages = [server.ask(headers=authorize("acme"), **more).json()["usage"] for more in ({}, {"strategy": VOTE})]
        decision = {"model": "scripted", "input": "x", "questions": [{"type": "predicate", "instructions": "Is it?"}]}
        decided = httpx.post(f"{server.url}/v1/decisions", json=decision, headers=authorize("acme"))
        with keys.open("a") as file:
            file.write(write_line("gamma"))
        text = scrape(server, authorize("gamma"))
        seen = read_tenants(text)
    assert seen["gamma", "prompt"] == seen["beta", "generated"] == 0
    assert decided.status_code == 200, decided.text
    assert seen["acme", "generated"] == server.engine.decoded > sum(each["completion_tokens"] for each in usages)
    ours = re.findall(r"^cogitate_(prompt|generated)_tokens_total{.*} (\S+)$", text, re.MULTILINE)
    for kind in ("prompt", "generated"):
        assert seen["acme", kind] == sum(float(count) for each, count in ours if each == kind)


def test_without_keys_there_is_one_tenant():
    with live(ScriptedEngine(["x"])) as server:
        assert set(read_tenants(scrape(server))) == {("none", "prompt"), ("none", "generated")}


def test_time_in_the_queue_is_that_from_admission_to_the_first_slot():
    engine = ScriptedEngine(["x"], pace=0.2)
    with live(engine, max_generations=1) as server, ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(server.ask, strategy=strategy) for strategy in (None, None, VOTE)]
        eventually(lambda: read_metric(scrape(server), "cogitate_engine_waiting") == 4)
        assert [answer.result().status_code for answer in answers] == [200] * 3
        text = scrape(server)
    plain, searched = (f'{{strategy="{name}"}}' for name in ("none", "self_consistency"))
    counts = [read_metric(text, f"cogitate_queue_seconds_count{labels}") for labels in (plain, searched)]
    waits = sum(read_metric(text, f"cogitate_queue_seconds_sum{labels}") for labels in (plain, searched))
    assert counts == [2, 1] and 0.5 < waits < 10
    assert read_metric(text, "cogitate_engine_waiting") == 0


def test_request_that_never_has_a_slot_is_not_in_the_histogram():
    engine = ScriptedEngine(["x"], pace=0.5)
    with live(engine, max_generations=1) as server:
        first = threading.Thread(target=server.ask)
        first.start()
        eventually(lambda: engine.running)
        with contextlib.suppress(httpx.TimeoutException):
            server.ask(timeout=0.1)
        first.join()
        assert read_metric(scrape(server), 'cogitate_queue_seconds_count{strategy="none"}') == 1


def test_version_and_engine_are_told():
    with live(ScriptedEngine(["x"])) as server:
        (labels,) = re.findall(r"^cogitate_build_info{(.*)} 1.0$", scrape(server), re.MULTILINE)
    assert f'engine="vllm",version="{version("cogitate")}",vllm="' in labels


@contextlib.asynccontextmanager
async def serve(*upstreams: str) -> AsyncIterator[httpx.AsyncClient]:
    """Run a server over upstreams, without waiting for them."""
    settings = Settings(engine="openai", upstream=upstreams)
    service = Service(build_backend(settings, str), MemoryCache(ttl=60), ScriptedProver(), settings, Metrics())
    ready = asyncio.Event()
    async with listen(create_app(service, on_ready=ready.set)) as url, httpx.AsyncClient(base_url=url) as client:
        await ready.wait()
        yield client


async def read_upstreams(client: httpx.AsyncClient) -> dict[str, list[float]]:
    """Return calls in flight, ejections, retries and whether it is ejected, by the last digit of the port."""
    text = (await client.get("/metrics")).text
    names = re.findall(r'^cogitate_upstream_in_flight{upstream="(.*)"}', text, re.MULTILINE)
    families = ("in_flight", "ejections_total", "retries_total", "ejected")
    return {
        name: [read_metric(text, f'cogitate_upstream_{each}{{upstream="{name}"}}') for each in families]
        for name in names
    }


ASK = HELLO | {"model": "fake"}


async def test_upstreams_are_counted_by_the_operators_names():
    async with start_upstreams(Script(), Script()) as (good, bad), serve(good.url, bad.url) as client:
        assert await read_upstreams(client) == {good.url: [0] * 4, bad.url: [0] * 4}
        bad.script.fault, good.script.fault = "500", "none"
        for number in range(24):
            body = ASK | {"messages": [{"role": "user", "content": f"question {number}"}]}
            assert (await client.post("/v1/chat/completions", json=body)).status_code == 200
        seen = await read_upstreams(client)
        assert seen[good.url] == [0, 0, 0, 0] and seen[bad.url] == [0, 1, 5, 1]
        good.script.latency = 0.3
        asking = asyncio.create_task(client.post("/v1/chat/completions", json=ASK))
        await asyncio.sleep(0.1)
        assert (await read_upstreams(client))[good.url][0] == 1
        assert (await asking).status_code == 200


async def test_upstreams_of_several_models_have_their_names():
    async with (
        start_upstreams(Script(), Script()) as (small, large),
        serve(f"small={small.url}", f"large={large.url}") as client,
    ):
        assert set(await read_upstreams(client)) == {f"small={small.url}", f"large={large.url}"}


async def test_upstream_that_is_listed_twice_is_one_series():
    async with start_upstreams(Script()) as (fake,), serve(fake.url, fake.url) as client:
        assert list(await read_upstreams(client)) == [fake.url]


@pytest.mark.parametrize("usage", [True, False])
async def test_tokens_of_a_relayed_stream_are_counted_whether_or_not_the_client_asks_for_them(usage):
    async with start_upstreams(Script()) as (fake,), serve(fake.url) as client:
        options = {"stream_options": {"include_usage": True}} if usage else {}
        probed = fake.counters.tokens
        response = await client.post("/v1/chat/completions", json=ASK | {"stream": True} | options)
        assert response.text.endswith("data: [DONE]\n\n")
        text = (await client.get("/metrics")).text
        counted = read_metric(text, 'cogitate_generated_tokens_total{fate="kept",strategy="none"}')
        told = re.findall(r'"completion_tokens":\s*(\d+)', response.text)
        assert bool(told) == usage and counted == fake.counters.tokens - probed > 0
