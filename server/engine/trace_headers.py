"""The W3C headers of the span that the current task works for, which engines and upstreams get as their parent."""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
TRACE_HEADERS: ContextVar[Mapping[str, str]] = ContextVar("trace_headers", default=NO_HEADERS)
"""`traceparent`, and `tracestate` where there is one; empty where nothing is traced."""


def encode_trace_headers() -> list[tuple[bytes, bytes]]:
    """Return them as ASGI has headers."""
    return [(name.encode(), value.encode()) for name, value in TRACE_HEADERS.get().items()]
