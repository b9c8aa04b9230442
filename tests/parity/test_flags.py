"""Flags that the table calls vLLM's own: seen at work on this server's application, for strategies too."""

import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from cogitate.server.app import create_app
from cogitate.server.cache import MemoryCache
from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME
from cogitate.server.equivalence.pool import EquivalencePool
from cogitate.server.observability.metrics import Metrics
from cogitate.server.serving.service import Service
from cogitate.server.settings import Settings
from tests.fakes.real_engine import BorrowedBackend, with_arguments
from tests.fakes.vllm_reference import listen

pytest_plugins = ["tests.fakes.real_engine"]
pytestmark = [pytest.mark.engine, pytest.mark.shared, pytest.mark.asyncio(loop_scope="session")]

CHAT = "/v1/chat/completions"
PLAIN = {"model": DEMO_MODEL_NAME, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
SEARCH = PLAIN | {"strategy": {"name": "self_consistency", "n": 2}}


async def add_header(request, call_next):
    """A middleware of the operator's, by its dotted path."""
    response = await call_next(request)
    response.headers["x-operator"] = "seen"
    return response


@contextlib.asynccontextmanager
async def serve(engine: BorrowedBackend, **arguments: object) -> AsyncIterator[httpx.AsyncClient]:
    backend = await with_arguments(engine, **arguments)
    service = Service(backend, MemoryCache(ttl=60), EquivalencePool(), Settings(), Metrics())
    async with listen(create_app(service)) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        while (await client.get("/health/ready")).status_code != 200:
            pass
        yield client


@pytest.mark.parametrize("body", [PLAIN, SEARCH], ids=["plain", "strategy"])
async def test_key_of_vllms_is_asked_for(shared_engine, body):
    async with serve(shared_engine, api_key=["secret"]) as client:
        assert (await client.post(CHAT, json=body)).status_code == 401
        assert (await client.post(CHAT, json=body, headers={"authorization": "Bearer secret"})).status_code == 200
        assert (await client.get("/health")).status_code == 200


@pytest.mark.parametrize("body", [PLAIN, SEARCH], ids=["plain", "strategy"])
async def test_origins_and_middleware_of_the_operator_hold(shared_engine, body):
    arguments = {"allowed_origins": ["http://page"], "middleware": [f"{__name__}.add_header"]}
    async with serve(shared_engine, **arguments) as client:
        response = await client.post(CHAT, json=body, headers={"origin": "http://page"})
        assert response.headers["access-control-allow-origin"] == "http://page"
        assert response.headers["x-operator"] == "seen"


@pytest.mark.parametrize("body", [PLAIN, SEARCH], ids=["plain", "strategy"])
async def test_prefix_is_taken_and_left(shared_engine, body):
    async with serve(shared_engine, root_path="/models") as client:
        for path in (CHAT, f"/models{CHAT}"):
            assert (await client.post(path, json=body)).status_code == 200
        for path in ("/", "/models/", "/models/page/main.mjs", "/models/docs"):
            assert (await client.get(path)).status_code == 200


async def test_docs_can_be_disabled(shared_engine):
    async with serve(shared_engine, disable_fastapi_docs=True) as client:
        assert (await client.get("/docs")).status_code == 404


@pytest.mark.parametrize("stream", [True, "true", 1, "yes"])
async def test_stream_in_any_form_that_vllm_takes_is_a_stream(shared_engine, stream):
    async with serve(shared_engine) as client:
        response = await client.post(CHAT, json=PLAIN | {"stream": stream})
        assert response.text.endswith("data: [DONE]\n\n")
        assert (await client.get("/nothing")).json()["error"]["type"] == "invalid_request_error"
