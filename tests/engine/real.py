"""The real engine for tests: vLLM's CPU build and the demo model, started once per module."""

import contextlib
import sys
from collections.abc import AsyncIterator

from server.demo import demo_model
from server.engine import Backend
from server.engine.absent import hide_broken_packages
from server.settings import cache_folder, prepare_engine_environment, preload
from server.serving import DEMO_ENVIRONMENT, DEMO_NAME, ENGINE_ENVIRONMENT, LIBRARIES

ENGINE_ARGS = {"max_model_len": 2048, "max_num_seqs": 32}


def say(line: str) -> None:
    sys.stderr.write(line + "\n")


@contextlib.asynccontextmanager
async def real_backend(**options: object) -> AsyncIterator[Backend]:
    prepare_engine_environment({**ENGINE_ENVIRONMENT, **DEMO_ENVIRONMENT, "VLLM_LOGGING_LEVEL": "WARNING"})
    preload(*LIBRARIES)
    hide_broken_packages()
    from server.engine.vllm import VllmBackend

    backend = VllmBackend(str(demo_model(say, cache_folder())), DEMO_NAME, ENGINE_ARGS, **options)
    await backend.open()
    try:
        yield backend
    finally:
        await backend.close()
