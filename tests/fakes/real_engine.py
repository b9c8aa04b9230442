"""The real engine for tests: vLLM's CPU build with the demo model, opened once and used by many servers.

Provides the fixture `shared_engine` to test modules with `pytest_plugins = ["tests.fakes.real_engine"]` that are marked
`shared`. The first of these tests starts it. They run after all other tests (tests/conftest.py), so that no second
engine runs at the same time.
"""

import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio

from cogitate.server.engine.demo_model import prepare_demo_model
from cogitate.server.engine.vllm import VllmBackend, env
from cogitate.server.settings import user_cache

ENGINE_ARGS: dict[str, object] = {"max_model_len": 2048, "max_num_seqs": 64}


def report(line: str) -> None:
    sys.stderr.write(line + "\n")


class BorrowedBackend(VllmBackend):
    """A backend over an engine that its owner opens and closes."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...


@contextlib.asynccontextmanager
async def real_engine(**engine_args: object) -> AsyncIterator[BorrowedBackend]:
    """Open the demo model, and close it in the end."""
    env.prepare(demo=True, quiet=True)
    model = str(prepare_demo_model(report, user_cache()))
    backend = VllmBackend(model, env.DEMO_MODEL_NAME, ENGINE_ARGS | engine_args)
    await backend.open()
    try:
        yield BorrowedBackend(backend.model, backend.name, backend.engine_args, _engine=backend.engine)
    finally:
        await backend.close()


async def with_arguments(backend: BorrowedBackend, **arguments: object) -> BorrowedBackend:
    """Return a backend over the same engine whose handlers have other arguments, such as a tool parser."""
    from cogitate.server.engine.vllm.application import load_application
    from cogitate.server.engine.vllm.load import parse_arguments

    engine_args = {**backend.engine_args, **arguments}
    args, llm = parse_arguments(backend.model, backend.name, engine_args), backend.engine.loaded.llm
    engine = replace(backend.engine, loaded=await load_application(llm, args))
    return BorrowedBackend(backend.model, backend.name, engine_args, _engine=engine)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_engine() -> AsyncIterator[BorrowedBackend]:
    async with real_engine() as backend:
        yield backend
