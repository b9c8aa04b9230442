"""This server and vLLM's own over the same engine, so that their responses can be compared field by field.

Provides the fixture `pair`, over the shared engine, to test modules with
`pytest_plugins = ["tests.fakes.vllm_reference"]`.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest_asyncio
import uvicorn

from cogitate.server.app import create_app
from cogitate.server.cache import Cache, MemoryCache
from cogitate.server.config.telemetry import Telemetry
from cogitate.server.engine.remote import RemoteBackend, UpstreamConfig
from cogitate.server.equivalence.pool import EquivalencePool
from cogitate.server.launcher import bind_socket
from cogitate.server.observability.metrics import Metrics
from cogitate.server.serving.service import Service
from cogitate.server.settings import Settings
from tests.fakes.real_engine import BorrowedBackend, with_arguments

pytest_plugins = ["tests.fakes.real_engine"]


class SignalFreeServer(uvicorn.Server):
    """A uvicorn server that does not replace the test runner's signal handlers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True)
class Pair:
    """The URLs of both servers."""

    ours: str
    vllms: str
    service: Service
    backend: BorrowedBackend


@contextlib.asynccontextmanager
async def listen(app: object) -> AsyncIterator[str]:
    """Serve an app on a free port of this machine. Yields its URL."""
    listener = bind_socket("127.0.0.1", 0)
    listener.listen()
    server = SignalFreeServer(uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def serve_pair(
    engine: BorrowedBackend, cache: Cache | None = None, telemetry: Telemetry | None = None
) -> AsyncIterator[Pair]:
    """Serve an engine with both servers. Ours is given an application of its own: others may serve the engine too."""
    engine = await with_arguments(engine)
    cache = cache or MemoryCache(ttl=60)
    service = Service(engine, cache, EquivalencePool(), Settings(), Metrics(), telemetry=telemetry)
    ready = asyncio.Event()
    async with (
        listen(create_app(service, on_ready=ready.set)) as ours,
        listen(await build_vllm_app(engine)) as vllms,
    ):
        await ready.wait()
        yield Pair(ours, vllms, service, engine)


@contextlib.asynccontextmanager
async def open_remote_backend(engine: BorrowedBackend) -> AsyncIterator[RemoteBackend]:
    """Open a remote backend over vLLM's own server."""
    async with listen(await build_vllm_app(engine)) as url:
        backend = RemoteBackend([UpstreamConfig(f"{url}/v1")])
        await backend.open()
        yield backend
        await backend.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pair(shared_engine: BorrowedBackend) -> AsyncIterator[Pair]:
    """Both servers, starting with an empty prefix cache: responses report their cached tokens."""
    await shared_engine.engine.loaded.llm.reset_prefix_cache()
    async with serve_pair(shared_engine) as both:
        yield both


def count_generated_tokens() -> float:
    """Return the number of generated tokens in vLLM's own metrics."""
    from prometheus_client import REGISTRY

    samples = (s for family in REGISTRY.collect() for s in family.samples if s.name == "vllm:generation_tokens_total")
    return sum(sample.value for sample in samples)


async def build_vllm_app(backend: BorrowedBackend) -> object:
    """Build the application of `vllm serve` over the same engine. Restores the log level, which vLLM's code changes."""
    from vllm.entrypoints.launchers.api_server.app_state import init_app_state
    from vllm.entrypoints.launchers.app import build_app

    loaded = backend.engine.loaded
    tasks = await loaded.llm.get_supported_tasks()
    level = logging.root.level
    app = build_app(loaded.args, tasks, loaded.llm.model_config)
    logging.root.setLevel(level)
    await init_app_state(loaded.llm, app.state, loaded.args, tasks)
    return app


async def build_plugin_app(backend: BorrowedBackend) -> object:
    """Build vLLM's application with the plugin attached, as `VLLM_PLUGINS=cogitate vllm serve` does."""
    from cogitate.server.engine.vllm.application import load_application
    from cogitate.server.plugin.endpoint_plugin import CogitatePlugin

    loaded = backend.engine.loaded
    app = (await load_application(loaded.llm, loaded.args)).app
    plugin = CogitatePlugin()
    plugin.attach_router(app)
    await plugin.init_state(loaded.llm, app.state, loaded.args)
    return app
