"""The real engine for tests: vLLM's CPU build and the demo model, started once per module."""

import contextlib
import sys
from collections.abc import AsyncIterator

from server.demo import demo_model
from server.engine import Backend, environment
from server.settings import user_cache

ENGINE_ARGS = {"max_model_len": 2048, "max_num_seqs": 32}


def say(line: str) -> None:
    sys.stderr.write(line + "\n")


@contextlib.asynccontextmanager
async def real_backend(**options: object) -> AsyncIterator[Backend]:
    environment.prepare(demo=True, quiet=True)
    from server.engine.vllm import VllmBackend

    backend = VllmBackend(str(demo_model(say, user_cache())), environment.DEMO_NAME, ENGINE_ARGS, **options)
    await backend.open()
    try:
        yield backend
    finally:
        await backend.close()
