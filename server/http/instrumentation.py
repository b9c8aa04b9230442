"""X-Request-Id, request metrics, and a 500 for exceptions that nothing else has handled."""

import logging
import os
import re
import time
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cogitate.server.errors import InternalError, format_traceback
from cogitate.server.http.error_response import ANTHROPIC_PATH, build_error_response
from cogitate.server.observability.metrics import Metrics

log = logging.getLogger("cogitate")
OTHER_ENDPOINT = "other"
"""Label of requests to unknown paths."""
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


@dataclass(slots=True)
class Instrumentation:
    """The outermost ASGI middleware.

    Sets `request_id` and `strategy` in the request's state. A route replaces `strategy`; `headers` in the state are
    added to the response.
    """

    app: ASGIApp
    metrics: Metrics
    endpoints: frozenset[str]
    """Paths that are labels of their own in the metrics. All others are counted as `other`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        start, status = time.perf_counter(), 0
        state = scope.setdefault("state", {})
        state["request_id"] = read_request_id(scope).decode()
        state["strategy"] = "none"

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *build_id_headers(scope), *state.get("headers", ())]
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception as failure:  # noqa: BLE001 its message may contain the client's text: neither logged nor sent
            log.error("a request failed: %s", format_traceback(failure))
            if not status:
                await build_error_response(scope, InternalError())(scope, receive, send_with_headers)
        finally:
            endpoint = scope["path"] if scope["path"] in self.endpoints else OTHER_ENDPOINT
            self.metrics.observe_request(endpoint, state["strategy"], status or 500, time.perf_counter() - start)


def build_id_headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Returns the headers with the request's id. Anthropic's clients read it under a name of their own."""
    value = scope["state"]["request_id"].encode()
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    return [(b"x-request-id", value), *([(b"request-id", value)] if path.startswith(ANTHROPIC_PATH) else [])]


def read_request_id(scope: Scope) -> bytes:
    """Returns the client's X-Request-Id if it is well-formed, else 128 random bits in hex."""
    value = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return value if REQUEST_ID.fullmatch(value) else os.urandom(16).hex().encode()
