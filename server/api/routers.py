"""All routes, and how they are attached to an application: this server's own, or vLLM's."""

from collections.abc import Iterable

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import request_response

from cogitate.server.api import (
    chat_completions,
    decisions,
    health,
    messages,
    models,
    page,
    requests,
    responses,
    stored_responses,
    traces,
    usage,
)
from cogitate.server.api.error_handlers import add_error_handlers
from cogitate.server.protocol.plain_body import LIMIT_FIELDS

ROUTERS = (
    chat_completions.router,
    responses.router,
    messages.router,
    stored_responses.router,
    decisions.router,
    requests.router,
    traces.router,
    models.router,
    usage.router,
    health.router,
    page.router,
)
NEVER_PASSED_ON = frozenset({"/v1/decisions"})
"""Paths that no strategy selects: the answer is always ours, also where vLLM has the path."""

PASSED_ON_BODIES = frozenset({*LIMIT_FIELDS, "/v1/messages/count_tokens"})
"""Paths where a body that selects no strategy goes to vLLM's own route."""
PASSED_ON = {
    "/v1/chat/completions": "strategies; other bodies go to vLLM's own handler",
    "/v1/completions": "strategies; other bodies go to vLLM's own handler",
    "/v1/responses": "strategies; other bodies go to vLLM's own handler",
    "/v1/messages": "strategies; other bodies go to vLLM's own handler",
    "/v1/messages/count_tokens": "names with a strategy; other bodies go to vLLM's own handler",
    "/v1/responses/{response_id}": "background responses, from a store that is divided by tenant",
    "/v1/responses/{response_id}/cancel": "background responses, from a store that is divided by tenant",
    "/v1/models": "vLLM's models, and each under every strategy and preset",
    "/metrics": "vLLM's metrics and ours",
    "/health": "as vLLM's, and 503 while the server drains",
}
"""What vLLM's paths that we replace are with ours."""


def list_paths() -> frozenset[str]:
    """Return the path templates of all routes: the closed set of `endpoint` labels in the metrics."""
    routes = (route for router in ROUTERS for route in router.routes)
    return frozenset(route.path for route in routes if isinstance(route, APIRoute))


def attach_routes(app: FastAPI, *, without: Iterable[str] = ()) -> list[tuple[APIRoute, APIRoute | None]]:
    """Add the routes to an application, in place of its routes of the same path and method.

    Returns each with the route that it replaces and may pass on to; None where there is none. `without`: paths that
    are left as they are. An application without its OpenAPI document has no `/docs` either.
    """
    apis = [route for route in app.routes if isinstance(route, APIRoute)]
    earlier = {key: route for route in apis if route.path not in NEVER_PASSED_ON for key in _keys(route)}
    count, skip = len(app.routes), {*without, *(() if app.openapi_url else ("/docs",))}
    for router in ROUTERS:
        app.include_router(router)
    routes = [route for route in app.routes[count:] if isinstance(route, APIRoute) and route.path not in skip]
    for route in routes:
        if route.path in LIMIT_FIELDS:  # they take the request alone: FastAPI has no dependencies to resolve
            route.app = request_response(route.endpoint)
    replaced = {key for route in routes for key in _keys(route)}
    others = [route for route in app.routes[:count] if not (isinstance(route, APIRoute) and _keys(route) <= replaced)]
    # Before all others: a mount such as vLLM's /metrics would take what follows it.
    app.router.routes[:] = [*routes, *others]
    add_error_handlers(app)
    if app.middleware_stack is not None:  # vLLM's build_app builds it early, with the error handlers of then
        app.middleware_stack = app.build_middleware_stack()
    return [(route, next((earlier[key] for key in _keys(route) if key in earlier), None)) for route in routes]


def _keys(route: APIRoute) -> set[tuple[str, str]]:
    return {(method, route.path) for method in route.methods}
