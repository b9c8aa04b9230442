"""The ASGI application: routes, middleware, error handlers, and the life cycle of the engine."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.routing import request_response
from starlette.types import ASGIApp, Receive, Scope, Send

from cogitate.server.api import health
from cogitate.server.api.engine_paths import is_open_with_keys
from cogitate.server.api.error_handlers import add_error_handlers, render_http_exception
from cogitate.server.api.openapi import describe
from cogitate.server.api.pass_on import PassOn
from cogitate.server.api.plain import answer_plain
from cogitate.server.api.routers import PASSED_ON_BODIES, attach_routes, list_paths
from cogitate.server.auth.keys import InvalidKeysFile, Keys
from cogitate.server.engine import CannotStart, HasApplication, WrongFlag
from cogitate.server.engine.fleet import Fleet
from cogitate.server.errors import Forbidden
from cogitate.server.http.authentication import Authentication
from cogitate.server.http.error_response import build_error_response
from cogitate.server.http.head import HeadAsGet
from cogitate.server.http.instrumentation import OTHER_ENDPOINT, Instrumentation
from cogitate.server.http.server_spans import ServerSpans
from cogitate.server.http.trusted_host import TrustedHost, build_allowed_hosts
from cogitate.server.observability.metrics import Metrics
from cogitate.server.protocol.plain_body import LIMIT_FIELDS
from cogitate.server.serving.service import Service
from cogitate.strategies import STRATEGIES

log = logging.getLogger("cogitate")


def create_app(
    service: Service,
    *,
    on_ready: Callable[[], None] | None = None,
    on_death: Callable[[str], None] | None = None,
    join: Callable[[], Awaitable[None]] | None = None,
) -> FastAPI:
    """Build the application over a service.

    Its lifespan starts the engine in the background, so that liveness is served while the model loads. `on_ready` is
    called once requests are accepted, `on_death` with the reason when the engine has failed. `join` is awaited before
    requests are accepted.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        opening = partial(service.open, partial(attach_to_engine, service), join)
        engine = asyncio.ensure_future(run_engine(service, opening, on_ready, on_death))
        peers = asyncio.ensure_future(service.peers.serve())
        renewal = asyncio.ensure_future(service.quotas.renew())
        yield
        for task in (engine, peers, renewal):
            task.cancel()
        await service.close()

    app = FastAPI(
        title="Cogitate",
        summary="Better answers per token",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    describe(app)
    attach_routes(app)
    add_middleware(app, service)
    service.metrics.create_request_series([*list_paths(), OTHER_ENDPOINT])
    return app


def add_middleware(app: FastAPI, service: Service) -> None:
    """Add the middleware, the innermost first, and the handler of errors that no route raises."""
    settings = service.settings
    keys = open_keys(settings.api_keys_file, service.metrics) if settings.api_keys_file else None
    root_path = str(settings.engine_args.get("root_path") or "").rstrip("/")
    if isinstance(service.backend, HasApplication):
        app.add_middleware(EngineApplication, service=service, backend=service.backend)
    app.add_exception_handler(HTTPException, render_http_exception)
    app.add_middleware(HeadAsGet)
    app.add_middleware(Authentication, keys=keys, quotas=service.quotas, prefix=root_path)
    app.add_middleware(TrustedHost, names=build_allowed_hosts(settings.host, settings.allowed_host))
    app.add_middleware(Instrumentation, metrics=service.metrics, endpoints=list_paths())
    if service.telemetry:
        app.add_middleware(ServerSpans, find_tracing=lambda: service.tracing)


def open_keys(path: Path, metrics: Metrics) -> Keys:
    """Read the keys file; its tenants have series in the metrics from now on, and new ones once it is read again."""
    keys = Keys(path, metrics.create_tenant_series)
    with suppress(InvalidKeysFile):  # each request reports it
        keys.refresh()
    return keys


@dataclass(slots=True)
class EngineApplication:
    """The innermost ASGI middleware: once the engine is loaded, its own application answers.

    Where API keys divide users, paths of vLLM's that have no limits by key are refused.
    """

    app: ASGIApp
    service: Service
    backend: HasApplication

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.service.ready or scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        application = self.backend.application()
        path = scope["path"].removeprefix(application.root_path or "")
        if self.service.settings.api_keys_file and not is_open_with_keys(path):
            error = Forbidden("This path has no limits by API key, and keys divide this server's users.")
            return await build_error_response(scope, error)(scope, receive, send)
        return await application(scope, receive, send)


def attach_to_engine(service: Service) -> None:
    """Attach our routes to the engine's own application; what asks for no strategy goes to its own routes."""
    if not isinstance(service.backend, HasApplication):
        return
    app, settings = service.backend.application(), service.settings
    suffixes = frozenset({*STRATEGIES, *settings.presets})
    app.state.service = service
    app.add_exception_handler(HTTPException, render_http_exception)  # vLLM's own answers {"detail": "Not Found"}
    for route, earlier in attach_routes(app):
        if earlier is not None and route.path in PASSED_ON_BODIES:
            plain = request_response(partial(answer_plain, route.path)) if route.path in LIMIT_FIELDS else earlier.app
            limits = settings.max_body_bytes, settings.receive_seconds
            others = service.backend.upstream_names if isinstance(service.backend, Fleet) else ()
            stores = route.path == "/v1/responses"
            route.app = PassOn(plain, route.app, suffixes, *limits, others=others, stores=stores)


def create_probe_app(service: Service) -> FastAPI:
    """Build the application of --metrics-port: /metrics and /health*, without keys and without counting requests."""
    app = FastAPI(openapi_url=None)
    app.state.service = service
    app.include_router(health.router)
    add_error_handlers(app)
    app.add_exception_handler(HTTPException, render_http_exception)
    app.add_middleware(HeadAsGet)
    app.add_middleware(TrustedHost, names=build_allowed_hosts(service.settings.host, service.settings.allowed_host))
    return app


async def run_engine(
    service: Service,
    opening: Callable[[], Awaitable[None]],
    on_ready: Callable[[], None] | None,
    on_death: Callable[[str], None] | None,
) -> None:
    """Load the engine, wait until it fails or stalls for good, and report the reason."""
    status = 1
    try:
        await opening()
        if on_ready:
            on_ready()
        reason = await wait_for_first(service.backend.wait_for_failure(), service.watchdog.wait_for_failure())
    except Exception as error:  # noqa: BLE001 any failure to start ends the process with one line
        reason = str(error) if isinstance(error, CannotStart) else f"the engine did not start: {error}"
        status = 2 if isinstance(error, WrongFlag) else 1
        log.debug("the engine did not start", exc_info=error)
    if service.jobs.draining:
        return  # Ctrl-C also reaches the engine's processes, which may end before this one.
    service.fail(reason, status)
    if on_death:
        on_death(reason)


async def wait_for_first(*coroutines: Coroutine[None, None, str]) -> str:
    """Run coroutines concurrently; returns the first result and cancel the rest."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    return done.pop().result()
