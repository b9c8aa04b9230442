"""The ASGI application: routes, envelopes for every error, and the engine's life."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from cogitate.server.api import chat_completions, health, models, requests
from cogitate.server.api import responses as responses
from cogitate.server.api.openapi import describe
from cogitate.server.auth.keys import Authentication, Keys
from cogitate.server.engine import CannotStart
from cogitate.server.errors import ApiError, BadRequest, NotAllowed, NotFound
from cogitate.server.http.head import Heads, allowed
from cogitate.server.http.instrumentation import Observation
from cogitate.server.http.trusted_host import Doorstep, names_of
from cogitate.server.protocol.json import JSON
from cogitate.server.serving.service import Service

log = logging.getLogger("cogitate")
ROUTERS = (chat_completions.router, responses.router, requests.router, models.router, health.router)


def create_app(
    service: Service, *, on_ready: Callable[[], None] | None = None, on_death: Callable[[str], None] | None = None
) -> FastAPI:
    """Serves at once and is ready when the engine has loaded. `on_death` hears why the engine is gone."""

    keys = Keys(service.settings.api_keys_file) if service.settings.api_keys_file else None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        engine = asyncio.ensure_future(live(service, on_ready, on_death))
        others = asyncio.ensure_future(service.others.listen())
        yield
        engine.cancel()
        others.cancel()
        await service.close()

    app = FastAPI(title="Cogitate", summary="Better answers per token", lifespan=lifespan, redirect_slashes=False)
    app.state.service = service
    describe(app)
    for router in ROUTERS:
        app.include_router(router)
    app.add_api_route("/", page, include_in_schema=False)
    app.add_exception_handler(ApiError, _told)
    app.add_exception_handler(HTTPException, _http)
    app.add_middleware(Heads)
    app.add_middleware(Authentication, keys=keys)
    app.add_middleware(Doorstep, names=names_of(service.settings.host, service.settings.allowed_host))
    app.add_middleware(Observation, metrics=service.metrics, endpoints=paths())
    return app


async def live(service: Service, on_ready: Callable[[], None] | None, on_death: Callable[[str], None] | None) -> None:
    """The engine's life, from loading to its end."""
    try:
        await service.open()
        if on_ready:
            on_ready()
        reason = await first(service.backend.failed(), service.watch.failed())
    except Exception as error:  # noqa: BLE001 whatever kept the engine from living ends the process in one line
        reason = str(error) if isinstance(error, CannotStart) else f"the engine did not start: {error}"
        log.debug("the engine did not start", exc_info=error)
    if service.jobs.draining:
        return  # Ctrl-C reaches the engine's processes too; they may be gone before we are.
    service.died(reason)
    if on_death:
        on_death(reason)


async def first(*reasons: Coroutine[None, None, str]) -> str:
    """What is said first; the others are not waited for."""
    tasks = [asyncio.ensure_future(reason) for reason in reasons]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    return done.pop().result()


async def page() -> Response:
    return RedirectResponse("/docs")


def paths() -> frozenset[str]:
    """The routes' own paths: a closed set for labels."""
    routes = (route for router in ROUTERS for route in router.routes)
    return frozenset(route.path for route in routes if isinstance(route, APIRoute))


async def _told(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSON(error.body, error.status, headers=error.headers)


async def _http(request: Request, error: Exception) -> Response:
    """What the framework refuses by itself, in OpenAI's words."""
    assert isinstance(error, HTTPException)
    url = request.url.path[:200]
    if error.status_code == 404:
        return await _told(request, NotFound(f"Invalid URL ({request.method} {url})"))
    if error.status_code == 405:
        methods = allowed((error.headers or {}).get("Allow", "").split(", "))
        return await _told(request, NotAllowed(f"Not allowed to {request.method} on {url}.", methods))
    return await _told(request, BadRequest(str(error.detail)[:500]))
