"""Renders exceptions in the error envelope of the API that the client speaks."""

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from cogitate.server.errors import ApiError, BadRequest, MethodNotAllowed, NotFound
from cogitate.server.http.error_response import build_error_response
from cogitate.server.http.head import build_allow_header

MAX_SHOWN_CHARACTERS = 200
"""Length at which a client's URL is cut in an error message."""


def add_error_handlers(app: FastAPI) -> None:
    """Add the handler of ApiError. An application of vLLM's keeps its own for starlette's errors."""
    app.add_exception_handler(ApiError, render_api_error)


async def render_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return build_error_response(request.scope, error)


async def render_http_exception(request: Request, error: Exception) -> Response:
    """Render starlette's own errors (unknown URL, method not allowed)."""
    assert isinstance(error, HTTPException)
    url = request.url.path[:MAX_SHOWN_CHARACTERS]
    if error.status_code == 404:
        return await render_api_error(request, NotFound(f"Invalid URL ({request.method} {url})"))
    if error.status_code == 405:
        methods = build_allow_header((error.headers or {}).get("Allow", "").split(", "))
        message = f"{request.method} is not allowed on {url}."
        return await render_api_error(request, MethodNotAllowed(message, methods))
    return await render_api_error(request, BadRequest(str(error.detail)))
