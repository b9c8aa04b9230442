"""Our server and vLLM's own, side by side over one engine, so that their answers can be compared field by field."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import uvicorn

from server.app import create_app
from server.cache import MemoryCache
from server.demo import demo_model
from server.engine import environment
from server.engine.remote import RemoteBackend, Upstream
from server.engine.vllm import VllmBackend
from server.metrics import Metrics
from server.prover import MathProver
from server.service import Service
from server.serving import bound
from server.settings import Settings, user_cache
from tests.engine.real import real_backend, say

ENGINE_ARGS: dict[str, object] = {"max_model_len": 2048, "max_num_seqs": 64}


class Quiet(uvicorn.Server):
    """Leaves the test runner's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True)
class Pair:
    ours: str
    vllms: str
    service: Service
    backend: VllmBackend


@contextlib.asynccontextmanager
async def listening(app: object) -> AsyncIterator[str]:
    """The app on a free port of this machine."""
    listener = bound("127.0.0.1", 0)
    listener.listen()
    server = Quiet(uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def served(engine_args: dict[str, object] | None = None, **options: object) -> AsyncIterator[Pair]:
    environment.prepare(demo=True, quiet=True)
    model = str(demo_model(say, user_cache()))
    backend = VllmBackend(model, environment.DEMO_NAME, ENGINE_ARGS | (engine_args or {}), **options)
    service = Service(backend, MemoryCache(ttl=60), MathProver(), Settings(), Metrics())
    ready = asyncio.Event()
    deaths: list[str] = []

    def died(reason: str) -> None:
        deaths.append(reason)
        ready.set()

    async with listening(create_app(service, on_ready=ready.set, on_death=died)) as ours:
        await ready.wait()
        assert not deaths, deaths
        async with listening(await vllms_own(backend)) as vllms:
            yield Pair(ours, vllms, service, backend)


@contextlib.asynccontextmanager
async def remote_backend() -> AsyncIterator[RemoteBackend]:
    """The remote engine over vLLM's own server."""
    async with real_backend() as local, listening(await vllms_own(local)) as url:
        backend = RemoteBackend([Upstream(f"{url}/v1")])
        await backend.open()
        yield backend
        await backend.close()


async def vllms_own(backend: VllmBackend) -> object:
    """The application that `vllm serve` builds, over the same engine. It quiets the process's log: undone here."""
    from vllm.entrypoints.launchers.api_server.app_state import init_app_state
    from vllm.entrypoints.launchers.app import build_app

    loaded = backend.running.loaded
    tasks = await loaded.llm.get_supported_tasks()
    level = logging.root.level
    app = build_app(loaded.args, tasks, loaded.llm.model_config)
    logging.root.setLevel(level)
    await init_app_state(loaded.llm, app.state, loaded.args, tasks)
    return app
