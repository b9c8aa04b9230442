"""`vllm serve --api-server-count 2` with the plugin: every process knows the searches of the other, over Redis."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from cogitate.server.engine.vllm import env
from tests.fakes.redis_server import RedisServer
from tests.fakes.vllm_server import VllmServer, vllm_server

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.faults]

CHAT = "/v1/chat/completions"
SEARCH = {
    "model": env.DEMO_MODEL_NAME,
    "messages": [{"role": "user", "content": "What is 13 + 29?"}],
    "strategy": {"name": "self_consistency", "n": 4, "stop_rule": "none"},
    "cache": "no-store",
}
LONG = SEARCH | {"max_tokens": 900, "min_tokens": 800}
CONNECTIONS = 12
"""New connections, so that both processes get some: all in one of them has a chance of 1 to 2,048."""


@pytest.fixture(scope="module")
def server() -> Iterator[VllmServer]:
    with RedisServer() as redis:
        variables = {"VLLM_PLUGINS": "cogitate", "COGITATE_REDIS_URL": redis.url}
        with vllm_server(["--api-server-count", "2"], variables) as running:
            yield running


async def on_new_connection(url: str, method: str, path: str, **options: object) -> httpx.Response:
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        return await client.request(method, path, **options)


async def start_search(url: str, name: str) -> "asyncio.Task[httpx.Response]":
    """Begin a long search on a connection of its own, and return when it decodes."""
    search = asyncio.create_task(on_new_connection(url, "POST", CHAT, json=LONG, headers={"x-request-id": name}))
    await asyncio.sleep(2)
    return search


async def test_trace_is_found_by_every_process(server):
    ask = SEARCH | {"max_tokens": 16}
    response = await on_new_connection(server.url, "POST", CHAT, json=ask, headers={"x-request-id": "seen"})
    assert response.status_code == 200
    await asyncio.sleep(0.5)
    traces = [await on_new_connection(server.url, "GET", "/v1/traces/seen") for _ in range(CONNECTIONS)]
    assert [trace.status_code for trace in traces] == [200] * CONNECTIONS


async def test_search_is_cancelled_from_every_process(server):
    for number in range(4):
        search = await start_search(server.url, f"gone-{number}")
        cancel = await on_new_connection(server.url, "POST", f"/v1/requests/gone-{number}/cancel")
        assert (cancel.status_code, (await search).status_code) == (200, 499)


async def test_search_answers_now_on_request_of_every_process(server):
    for number in range(4):
        search = await start_search(server.url, f"soon-{number}")
        answer = await on_new_connection(server.url, "POST", f"/v1/requests/soon-{number}/answer")
        assert answer.status_code == 200
        assert (await search).json()["cogitate"]["stopped"] == "asked"


async def test_metrics_count_the_requests_of_both_processes(server):
    metrics = (await on_new_connection(server.url, "GET", "/metrics")).text
    counts = [line for line in metrics.splitlines() if line.startswith("cogitate_requests_total")]
    total = sum(float(line.rpartition(" ")[2]) for line in counts if 'strategy="self_consistency"' in line)
    assert total >= 9


def test_without_redis_a_line_tells_what_is_not_shared():
    with vllm_server(["--api-server-count", "2"], {"VLLM_PLUGINS": "cogitate"}) as server:
        assert "set COGITATE_REDIS_URL to share them" in server.output
