"""X-Request-Id, metrics and the log line of each request, and a 500 for exceptions that nothing else has handled."""

import logging
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cogitate.server.errors import InternalError
from cogitate.server.http.authentication import PUBLIC_PATHS
from cogitate.server.http.error_response import ANTHROPIC_PATH, build_error_response
from cogitate.server.observability.logs import REQUEST_ID, log_failure
from cogitate.server.observability.metrics import Metrics
from cogitate.server.page.files import is_open

log = logging.getLogger("cogitate")
requests_log = logging.getLogger("cogitate.requests")
OTHER_ENDPOINT = "other"
"""Label of requests to unknown paths."""
WELL_FORMED_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
QUIET_PATHS = PUBLIC_PATHS | {"/metrics"}
"""What machines ask for every few seconds: logged at the level debug, as files are."""
UNSAFE_CHARACTER = re.compile(r"[^A-Za-z0-9/._~@:-]")
MAX_PATH_CHARACTERS = 128


@dataclass(slots=True)
class Instrumentation:
    """The outermost ASGI middleware.

    Sets `request_id` and `strategy` in the request's state. A route replaces `strategy`, and may set `describe`, which
    returns further fields of the log line; `headers` in the state are added to the response.
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
        REQUEST_ID.set(state["request_id"])

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *build_id_headers(scope), *state.get("headers", ())]
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception as failure:  # noqa: BLE001 its message may contain the client's text: neither logged nor sent
            log_failure(log, failure)
            if not status:
                await build_error_response(scope, InternalError())(scope, receive, send_with_headers)
        finally:
            endpoint = scope["path"] if scope["path"] in self.endpoints else OTHER_ENDPOINT
            self._finish(scope, endpoint, status or 500, time.perf_counter() - start)

    def _finish(self, scope: Scope, endpoint: str, status: int, seconds: float) -> None:
        """Count and log an answered request."""
        state = scope["state"]
        fields = {"error": state.get("error"), **(state["describe"]() if "describe" in state else {})}
        self.metrics.observe_request(endpoint, state["strategy"], status, seconds, fields["error"])
        log_request(scope, status, seconds, fields)


class RequestLine(dict[str, object]):
    """The log line of a request: a formatter for JSON writes its fields, any other one `str` of it."""

    def __str__(self) -> str:
        fields = (f"{name}={value}" for name, value in self.items() if name != "message" and value is not None)
        return " ".join((str(self["message"]), *fields))


def log_request(scope: Scope, status: int, seconds: float, fields: Mapping[str, object]) -> None:
    """Write one line of what is known of an answered request: nothing of its prompt, its key or its answer."""
    is_quiet = scope["path"] in QUIET_PATHS or (scope["method"] != "POST" and is_open(scope["path"]))
    level = logging.DEBUG if is_quiet else logging.INFO
    if not requests_log.isEnabledFor(level):
        return
    state = scope["state"]
    path = UNSAFE_CHARACTER.sub("?", scope["path"][:MAX_PATH_CHARACTERS])
    line = RequestLine(
        message=f"{scope['method']} {path} {status}",
        id=state["request_id"],
        method=scope["method"],
        path=path,
        tenant=state.get("tenant") or None,
        strategy=state["strategy"],
        status=status,
        tokens=None,
        seconds=round(seconds, 4),
        stopped=None,
    )
    line.update(fields)
    requests_log.log(level, line)


def build_id_headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Return the headers with the request's id. Anthropic's clients read it under a name of their own."""
    value = scope["state"]["request_id"].encode()
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    return [(b"x-request-id", value), *([(b"request-id", value)] if path.startswith(ANTHROPIC_PATH) else [])]


def read_request_id(scope: Scope) -> bytes:
    """Return the client's X-Request-Id if it is well-formed, else 128 random bits in hex."""
    value = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return value if WELL_FORMED_ID.fullmatch(value) else os.urandom(16).hex().encode()
