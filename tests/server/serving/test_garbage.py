"""What a request leaves for Python's garbage collector, which stops every other request while it works."""

import asyncio
import contextlib
import gc
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from cogitate.server.app import create_app
from cogitate.server.cache import MemoryCache
from cogitate.server.observability.metrics import Metrics
from cogitate.server.serving.service import Service
from cogitate.server.settings import Settings
from cogitate.strategies import STRATEGIES
from cogitate.strategies.core.scripted import ScriptedEngine, ScriptedProver
from tests.fakes.backend import ScriptedBackend
from tests.fakes.programs import InProcessPrograms


@contextlib.contextmanager
def keep_garbage() -> Iterator[Counter[str]]:
    """Count our own objects that only the garbage collector would have freed, by type. Complete after the block."""
    found = Counter[str]()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        types = [type(each) for each in gc.garbage]
        found.update(each.__qualname__ for each in types if each.__module__.startswith("cogitate."))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize("name", [*STRATEGIES, "none"])
async def test_finished_request_is_freed_without_the_garbage_collector(name):
    backend = ScriptedBackend(ScriptedEngine(["so it is \\boxed{42}"]))
    service = Service(backend, MemoryCache(ttl=60), ScriptedProver(), Settings(), Metrics())
    app = create_app(service)
    await service.open()
    service.settings, service.runner.programs = Settings(code_exec="bwrap"), InProcessPrograms()
    body = {"model": "scripted", "messages": [{"role": "user", "content": "What is 6*7?"}], "cache": "no-store"}
    if name != "none":
        body["strategy"] = name
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for _ in range(2):  # the first fills caches
            with keep_garbage() as garbage:
                answer = await client.post("/v1/chat/completions", json=body)
                await asyncio.sleep(0.05)
    await service.close()
    assert answer.status_code == 200, answer.text
    assert garbage == {}
