"""The two engines of the table: vLLM in this process, and the remote engine over vLLM's own server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from cogitate.server.app import create_app
from cogitate.server.cache import MemoryCache
from cogitate.server.engine.remote import RemoteBackend, UpstreamConfig
from cogitate.server.equivalence.pool import EquivalencePool
from cogitate.server.observability.metrics import Metrics
from cogitate.server.serving.service import Service
from cogitate.server.settings import Settings
from tests.fakes.real_engine import BorrowedBackend, with_arguments
from tests.fakes.vllm_reference import listen, serve_pair
from tests.fields.requests import Server

ENGINES = ("vllm", "remote")
PROGRAMS = Settings(code_exec="bwrap")
"""Allows program_aided. The demo model writes no programs, so that none runs and no sandbox is opened."""
ARGUMENTS = {
    "enable_auto_tool_choice": True,
    "tool_call_parser": "hermes",
    # The demo model's template, extended by the switch for thinking.
    "chat_template": str(Path(__file__).with_name("template.jinja")),
}


@contextlib.asynccontextmanager
async def engines(engine: BorrowedBackend) -> AsyncIterator[dict[str, Server]]:
    """Servers by engine name, over one loaded model."""
    async with (
        serve_pair(await with_arguments(engine, **ARGUMENTS)) as pair,
        remote(f"{pair.vllms}/v1") as url,
        httpx.AsyncClient(timeout=120) as client,
    ):
        pair.service.settings = PROGRAMS
        yield {"vllm": Server(pair.ours, client), "remote": Server(url, client)}


@contextlib.asynccontextmanager
async def remote(upstream: str) -> AsyncIterator[str]:
    """A server of ours in front of an upstream server."""
    backend = RemoteBackend([UpstreamConfig(upstream)])
    service = Service(backend, MemoryCache(ttl=60), EquivalencePool(), Settings(), Metrics())
    ready = asyncio.Event()
    async with listen(create_app(service, on_ready=ready.set)) as url:
        await ready.wait()
        service.settings = PROGRAMS
        yield url
