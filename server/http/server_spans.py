"""ASGI middleware: one server span a request, where requests are traced."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cogitate.server.engine.trace_headers import TRACE_HEADERS, encode_trace_headers
from cogitate.server.observability import semconv
from cogitate.server.observability.request_span import CURRENT_SPAN
from cogitate.server.observability.span_record import Value

if TYPE_CHECKING:
    from cogitate.server.observability.otel import Tracing

W3C_HEADERS = frozenset({b"traceparent", b"tracestate"})


@dataclass(slots=True)
class ServerSpans:
    """Sets the current span, and replaces the request's W3C headers: whoever reads them gets this span as its parent.

    Only POST requests are traced: they ask for work. The span ends with the last byte of the response.
    """

    app: ASGIApp
    find_tracing: "Callable[[], Tracing | None]"
    """None: requests are not traced, or not yet."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_traced = scope["type"] == "http" and scope["method"] == "POST"
        tracing = self.find_tracing() if is_traced else None
        if tracing is None:
            return await self.app(scope, receive, send)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        operation, status = semconv.OPERATIONS.get(path), 0
        known = {semconv.OPERATION: operation} if operation else {}
        span = tracing.begin(scope, operation or "POST", {semconv.HTTP_METHOD: "POST", **known})

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        tokens = CURRENT_SPAN.set(span), TRACE_HEADERS.set(span.headers)
        others = [(name, value) for name, value in scope["headers"] if name not in W3C_HEADERS]
        scope["headers"] = [*others, *encode_trace_headers()]
        try:
            await self.app(scope, receive, send_observed)
        finally:
            CURRENT_SPAN.reset(tokens[0])
            TRACE_HEADERS.reset(tokens[1])
            span.end(status, describe_request(scope))


def describe_request(scope: Scope) -> dict[str, Value]:
    """Return the attributes of a request that are known once it is routed."""
    route = getattr(scope.get("route"), "path", None)
    request_id = scope.get("state", {}).get("request_id")
    return {
        semconv.URL_PATH: scope["path"],
        **({semconv.HTTP_ROUTE: route} if isinstance(route, str) else {}),
        **({semconv.REQUEST_ID: request_id} if request_id else {}),
    }
