"""Spans as plain values: what is known of them without OpenTelemetry's SDK."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

Value: TypeAlias = str | bool | int | float | Sequence[str] | Sequence[float]
Attributes: TypeAlias = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The trace that a request is a part of, as W3C's headers carry it."""

    trace_id: int
    flags: int
    """Of W3C's: 1 is sampled."""
    state: str = ""
    """The value of `tracestate`; empty: none."""

    @property
    def is_sampled(self) -> bool:
        """Whether spans are recorded."""
        return bool(self.flags & 1)

    def to_headers(self, span_id: int) -> Mapping[str, str]:
        """Return the headers that make a span the parent."""
        headers = {"traceparent": f"00-{self.trace_id:032x}-{span_id:016x}-{self.flags:02x}"}
        return headers | {"tracestate": self.state} if self.state else headers


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened at one time."""

    name: str
    at: int
    """Unix time in nanoseconds."""
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRecord:
    """A span that has ended. Times are Unix times in nanoseconds."""

    name: str
    kind: Literal["server", "client"]
    id: int
    parent: int
    """The id of its parent in the same trace; 0: it is the trace's root."""
    has_remote_parent: bool = False
    """The parent is a span of another process."""
    start: int
    end: int
    attributes: Attributes
    events: Sequence[SpanEvent] = ()
    links: Sequence["SpanLink"] = ()
    error: str | None = None
    """Why what it stands for failed; None: it did not."""


@dataclass(frozen=True, slots=True)
class SpanLink:
    """A span, of this trace or another, that a span follows from."""

    context: TraceContext
    id: int


class SpanWriter(Protocol):
    """Sends spans to their collector."""

    def write(self, context: TraceContext, span: SpanRecord) -> None:
        """Queue a span. Never waits and never raises."""

    def submit(self, work: Callable[[], None]) -> None:
        """Run what computes and writes spans in a thread, one after the other. Never waits and never raises."""


def new_trace_id() -> int:
    """Return a random id, as OpenTelemetry's SDK makes one: without a system call."""
    return random.getrandbits(128) or 1  # noqa: S311 no secret


def new_span_id() -> int:
    """Return a random id, which is not 0."""
    return random.getrandbits(64) or 1  # noqa: S311 no secret
