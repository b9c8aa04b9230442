"""The ASGI application: routes, middleware, error handlers, and the life cycle of the engine."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from cogitate.server.api import chat_completions, health, models, requests, responses
from cogitate.server.api.openapi import describe
from cogitate.server.auth.keys import Keys
from cogitate.server.engine import CannotStart
from cogitate.server.errors import ApiError, BadRequest, MethodNotAllowed, NotFound
from cogitate.server.http.authentication import Authentication
from cogitate.server.http.head import HeadAsGet, build_allow_header
from cogitate.server.http.instrumentation import OTHER_ENDPOINT, Instrumentation
from cogitate.server.http.trusted_host import TrustedHost, build_allowed_hosts
from cogitate.server.protocol.json import OrjsonResponse
from cogitate.server.serving.service import Service

log = logging.getLogger("cogitate")
ROUTERS = (chat_completions.router, responses.router, requests.router, models.router, health.router)
MAX_SHOWN_CHARACTERS = 200
"""Length at which a client's URL is cut in an error message."""


def create_app(
    service: Service, *, on_ready: Callable[[], None] | None = None, on_death: Callable[[str], None] | None = None
) -> FastAPI:
    """Builds the application over a service.

    Its lifespan starts the engine in the background, so that liveness is served while the model loads. `on_ready` is
    called once requests are accepted, `on_death` with the reason when the engine has failed.
    """
    settings = service.settings
    keys = Keys(settings.api_keys_file) if settings.api_keys_file else None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        engine = asyncio.ensure_future(run_engine(service, on_ready, on_death))
        peers = asyncio.ensure_future(service.peers.serve())
        yield
        engine.cancel()
        peers.cancel()
        await service.close()

    app = FastAPI(title="Cogitate", summary="Better answers per token", lifespan=lifespan, redirect_slashes=False)
    app.state.service = service
    describe(app)
    for router in ROUTERS:
        app.include_router(router)
    app.add_api_route("/", redirect_to_docs, include_in_schema=False)
    app.add_exception_handler(ApiError, render_api_error)
    app.add_exception_handler(HTTPException, render_http_exception)
    # Each middleware wraps the ones added before it: Instrumentation is the outermost.
    app.add_middleware(HeadAsGet)
    app.add_middleware(Authentication, keys=keys)
    app.add_middleware(TrustedHost, names=build_allowed_hosts(settings.host, settings.allowed_host))
    app.add_middleware(Instrumentation, metrics=service.metrics, endpoints=list_paths())
    service.metrics.create_request_series([*list_paths(), OTHER_ENDPOINT])
    return app


async def run_engine(
    service: Service, on_ready: Callable[[], None] | None, on_death: Callable[[str], None] | None
) -> None:
    """Loads the engine, waits until it fails or stalls for good, and reports the reason."""
    try:
        await service.open()
        if on_ready:
            on_ready()
        reason = await wait_for_first(service.backend.wait_for_failure(), service.watchdog.wait_for_failure())
    except Exception as error:  # noqa: BLE001 any failure to start ends the process with one line
        reason = str(error) if isinstance(error, CannotStart) else f"the engine did not start: {error}"
        log.debug("the engine did not start", exc_info=error)
    if service.jobs.draining:
        return  # Ctrl-C also reaches the engine's processes, which may end before this one.
    service.fail(reason)
    if on_death:
        on_death(reason)


async def wait_for_first(*coroutines: Coroutine[None, None, str]) -> str:
    """Runs coroutines concurrently; returns the first result and cancels the rest."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    return done.pop().result()


async def redirect_to_docs() -> Response:
    return RedirectResponse("/docs")


def list_paths() -> frozenset[str]:
    """Returns the path templates of all routes: the closed set of `endpoint` labels in the metrics."""
    routes = (route for router in ROUTERS for route in router.routes)
    return frozenset(route.path for route in routes if isinstance(route, APIRoute))


async def render_api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return OrjsonResponse(error.body, error.status, headers=error.headers)


async def render_http_exception(request: Request, error: Exception) -> Response:
    """Renders starlette's own errors (unknown URL, method not allowed) in OpenAI's error envelope."""
    assert isinstance(error, HTTPException)
    url = request.url.path[:MAX_SHOWN_CHARACTERS]
    if error.status_code == 404:
        return await render_api_error(request, NotFound(f"Invalid URL ({request.method} {url})"))
    if error.status_code == 405:
        methods = build_allow_header((error.headers or {}).get("Allow", "").split(", "))
        message = f"{request.method} is not allowed on {url}."
        return await render_api_error(request, MethodNotAllowed(message, methods))
    return await render_api_error(request, BadRequest(str(error.detail)))
