"""vLLM's own server, ours, and ours with API keys, over one engine."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi import FastAPI

from cogitate.server.app import create_app
from cogitate.server.auth.keys import create_key
from cogitate.server.cache import MemoryCache
from cogitate.server.equivalence.pool import EquivalencePool
from cogitate.server.observability.metrics import Metrics
from cogitate.server.serving.service import Service
from cogitate.server.settings import Settings
from tests.fakes.real_engine import BorrowedBackend, with_arguments
from tests.fakes.vllm_reference import build_vllm_app, listen, serve_pair


@dataclass(frozen=True, slots=True)
class Servers:
    """URLs and applications."""

    ours: str
    vllms: str
    keyed: str
    key: str
    our_app: FastAPI
    vllm_app: FastAPI


@contextlib.asynccontextmanager
async def serve_all(engine: BorrowedBackend) -> AsyncIterator[Servers]:
    with TemporaryDirectory() as folder:
        keys = Path(folder, "keys")
        key = create_key(keys, "tenant")
        keyed_engine = await with_arguments(engine)
        service = Service(keyed_engine, MemoryCache(ttl=60), EquivalencePool(), Settings(api_keys_file=keys), Metrics())
        vllm_app = await build_vllm_app(engine)
        async with serve_pair(engine) as pair, listen(create_app(service)) as keyed:
            yield Servers(pair.ours, pair.vllms, keyed, key, pair.backend.application(), vllm_app)
