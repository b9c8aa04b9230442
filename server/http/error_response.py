"""Renders an error in the envelope of the API that the client speaks: Anthropic's for its routes, or OpenAI's."""

from starlette.types import Scope

from cogitate.server.errors import ApiError
from cogitate.server.protocol.anthropic_error import build_error
from cogitate.server.protocol.json import OrjsonResponse

ANTHROPIC_PATH = "/v1/messages"
SHARED_PATH = "/v1/models"
"""Anthropic's API and OpenAI's both have it."""
VERSION_HEADER = b"anthropic-version"
"""Anthropic's clients send it with every request."""


def is_anthropic(scope: Scope) -> bool:
    """Whether the request is one of Anthropic's API."""
    root: str = scope.get("root_path", "")
    path: str = scope["path"].removeprefix(root)
    if path.startswith(SHARED_PATH):
        return any(name == VERSION_HEADER for name, _ in scope["headers"])
    return path.startswith(ANTHROPIC_PATH)


def build_error_response(scope: Scope, error: ApiError) -> OrjsonResponse:
    scope.setdefault("state", {})["error"] = error.reason
    body = error.body
    if is_anthropic(scope):
        body = build_error(body, scope.get("state", {}).get("request_id", ""), error.status)
    return OrjsonResponse(body, error.status, headers=error.headers)
