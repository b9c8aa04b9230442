"""vLLM's own server application over a running engine: `build_app` and `init_app_state`, as `vllm serve` calls them."""

import argparse
import logging
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.datastructures import State
from vllm.entrypoints.launchers.api_server.app_state import init_app_state
from vllm.entrypoints.launchers.app import build_app
from vllm.v1.engine.async_llm import AsyncLLM


@dataclass(frozen=True, slots=True)
class LoadedEngine:
    """A running engine and vLLM's application over it, whose state has vLLM's handlers."""

    llm: AsyncLLM
    app: FastAPI
    args: argparse.Namespace
    routes: FastAPI
    """vLLM's own routes, also where routes of ours replace them in `app`; without middleware."""

    @property
    def state(self) -> State:
        return self.app.state


async def load_application(llm: AsyncLLM, args: argparse.Namespace) -> LoadedEngine:
    """Build vLLM's application. Keeps the log level, which vLLM's code changes."""
    tasks = await llm.get_supported_tasks()
    level = logging.root.level
    app = build_app(args, tasks, llm.model_config)
    logging.root.setLevel(level)
    loaded = LoadedEngine(llm, app, args, copy_routes(app))
    await init_app_state(llm, app.state, args, tasks)
    return loaded


def copy_routes(app: FastAPI) -> FastAPI:
    """Return an application of the same routes, state and exception handlers, and no middleware."""
    routes = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    routes.router.routes[:] = app.router.routes
    routes.state, routes.exception_handlers = app.state, app.exception_handlers
    return routes
