"""The plugin (entry point group `vllm.endpoint_plugins`): `VLLM_PLUGINS=cogitate vllm serve MODEL` has strategies.

Our routes replace vLLM's for chat completions, completions and responses, and pass on every body that selects no
strategy. `/v1/models` and `/metrics` show vLLM's content and ours. Keys, the Host check, and the cache of plain answers
are `cogitate serve`'s.
"""

import asyncio
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import State
from starlette.types import ASGIApp, Lifespan

from cogitate.server.api.pass_on import PassOn, StoredFirst
from cogitate.server.api.routers import PASSED_ON_BODIES, attach_routes, list_paths
from cogitate.server.config.telemetry import Telemetry
from cogitate.server.engine.vllm.application import LoadedEngine, copy_routes
from cogitate.server.engine.vllm.attach import build_attached_backend, warn_of_separate_processes
from cogitate.server.http.authentication import Authentication
from cogitate.server.http.instrumentation import OTHER_ENDPOINT, Instrumentation
from cogitate.server.http.server_spans import ServerSpans
from cogitate.server.observability.metrics import Metrics
from cogitate.server.plugin.logs import attach_log
from cogitate.server.plugin.settings import read_settings
from cogitate.server.serving.build_service import build_service
from cogitate.server.serving.service import Service
from cogitate.server.settings import Settings
from cogitate.strategies import STRATEGIES

ENGINE_PATHS = frozenset({"/health", "/metrics"})
"""Paths that stay vLLM's. Its /metrics has our metrics too, since they are in the process's registry."""


class CogitatePlugin:
    """vLLM's EndpointPlugin protocol. One instance a server process."""

    name = "cogitate"
    required_tasks = ("generate",)

    app: FastAPI
    routes: FastAPI
    settings: Settings
    metrics: Metrics

    def attach_router(self, app: FastAPI) -> None:
        """Attach our routes. vLLM calls this after its own routes are attached.

        Raises SettingNotHonoured or ValidationError, which ends vLLM's start: of an error in the constructor vLLM would
        write a line to its log, and start without the plugin.
        """
        self.settings, self.metrics = read_settings(), Metrics.in_process_registry()
        attach_log()
        self.app, self.routes = app, copy_routes(app)
        suffixes = frozenset({*STRATEGIES, *self.settings.presets})
        for route, earlier in attach_routes(app, without=ENGINE_PATHS):
            ours = self._with_caller(route.app)
            if earlier and "{response_id}" in route.path:
                route.app = StoredFirst(earlier.app, ours)
            elif earlier and route.path in PASSED_ON_BODIES:
                route.app = PassOn(earlier.app, ours, suffixes)
            else:
                route.app = ours
            route.app = self._with_span(route.app)
        app.router.lifespan_context = extend_lifespan(app.router.lifespan_context)

    async def init_state(self, engine_client: object, state: State, args: Namespace) -> None:
        """Build the service over vLLM's engine. Raises CannotStart, which ends vLLM's start."""
        warn_of_separate_processes(args, self.settings)
        loaded = LoadedEngine(engine_client, self.app, args, self.routes)
        backend = await build_attached_backend(loaded, self.settings)
        telemetry = Telemetry.beside_vllm(args.otlp_traces_endpoint)
        state.service = build_service(self.settings, backend, self.metrics, telemetry)
        await state.service.open()
        self.metrics.create_request_series([*list_paths(), OTHER_ENDPOINT])

    def _with_caller(self, app: ASGIApp) -> ASGIApp:
        """Wrap a route: its request has an id, a tenant and limits, as behind the middleware of `cogitate serve`."""
        return Instrumentation(Authentication(app, keys=None), self.metrics, list_paths())

    def _with_span(self, app: ASGIApp) -> ASGIApp:
        """Wrap a route where requests are traced: vLLM's spans of its own answers are below ours too.

        vLLM has put its --otlp-traces-endpoint into the environment by now.
        """
        return ServerSpans(app, lambda: self.app.state.service.tracing) if Telemetry().is_on else app


def extend_lifespan(inner: Lifespan[FastAPI]) -> Lifespan[FastAPI]:
    """Return vLLM's lifespan with our background work in it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
        service: Service = app.state.service
        peers = asyncio.ensure_future(service.peers.serve())
        async with inner(app) as state:
            yield state
        peers.cancel()
        await service.close()

    return lifespan
