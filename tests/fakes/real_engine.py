"""The real engine for tests: vLLM's CPU build and the demo model, opened once and lent to many servers.

A fixture for a test module with `pytest_plugins = ["tests.fakes.real_engine"]` and is marked `shared`: `shared_engine`,
which the first of those tests starts. They run after all others (tests/conftest.py), so that no engine is beside it.
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
    """An engine that somebody else has opened, and will close."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...


@contextlib.asynccontextmanager
async def real_engine(**engine_args: object) -> AsyncIterator[BorrowedBackend]:
    env.prepare(demo=True, quiet=True)
    model = str(prepare_demo_model(report, user_cache()))
    opened = VllmBackend(model, env.DEMO_MODEL_NAME, ENGINE_ARGS | engine_args)
    await opened.open()
    try:
        yield BorrowedBackend(opened.model, opened.name, opened.engine_args, _running=opened.engine)
    finally:
        await opened.close()


async def with_arguments(engine: BorrowedBackend, **arguments: object) -> BorrowedBackend:
    """The same engine behind vLLM's handlers with other arguments, such as a tool parser."""
    from cogitate.server.engine.vllm.load import LoadedEngine, build_handlers, parse_arguments

    engine_args = {**engine.engine_args, **arguments}
    args, llm = parse_arguments(engine.model, engine.name, engine_args), engine.engine.loaded.llm
    running = replace(engine.engine, loaded=LoadedEngine(llm, await build_handlers(llm, args), args))
    return BorrowedBackend(engine.model, engine.name, engine_args, _running=running)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_engine() -> AsyncIterator[BorrowedBackend]:
    async with real_engine() as opened:
        yield opened
