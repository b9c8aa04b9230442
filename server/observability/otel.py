"""OpenTelemetry's SDK behind this server's spans: sampling, queue, export. Imported only where requests are traced.

Spans are written when they have ended, under ids that were chosen before: the engine was given them as parents. The
SDK's own `start_span` chooses ids itself, so that ended spans are built here and handed to its batch processor.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    get_current_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import Scope

from cogitate.server.observability.request_span import RequestSpan
from cogitate.server.observability.span_record import Attributes, SpanEvent, SpanLink, SpanRecord, TraceContext

log = logging.getLogger("cogitate.tracing")
Count = Callable[[str, int], None]
"""Counts spans by what became of them: `exported`, `failed`, `dropped`."""
CLOSE_SECONDS = 3.0
"""How long spans are delivered at shutdown; what then remains is lost."""
RANDOM_FLAG = 2
"""W3C's flag of a random trace id."""
KINDS = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT}
OWN_SERVICE = "cogitate"
PROPAGATOR = TraceContextTextMapPropagator()


class Tracing:
    """Begins the spans of requests, and sends what has ended to the exporters."""

    def __init__(self, exporters: Sequence[SpanExporter], count: Count, *, captures_content: bool = False) -> None:
        self.captures_content = captures_content
        resource = build_resource()
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._sampler, self._resource, self._limits = self._provider.sampler, resource, SpanLimits()
        self._scope = InstrumentationScope(OWN_SERVICE, version("cogitate"))
        self._queues = [BoundedProcessor(exporter, count) for exporter in exporters]
        for queue in self._queues:
            self._provider.add_span_processor(queue)

    def begin(self, scope: Scope, name: str, attributes: Attributes) -> RequestSpan:
        """Begin the server span of a request, whose parent is that of its headers."""
        context = PROPAGATOR.extract(read_trace_headers(scope))
        parent = get_current_span(context).get_span_context()
        trace_id = parent.trace_id if parent.is_valid else new_id(16)
        result = self._sampler.should_sample(context, trace_id, name, SpanKind.SERVER, attributes)
        is_random = parent.trace_flags & RANDOM_FLAG if parent.is_valid else RANDOM_FLAG
        state = result.trace_state.to_header() if result.trace_state else ""
        trace = TraceContext(trace_id, int(result.decision.is_sampled()) | is_random, state)
        return RequestSpan(
            self,
            trace,
            name,
            parent=parent.span_id if parent.is_valid else 0,
            captures_content=self.captures_content,
            start=time.time_ns(),  # noqa: TID251 shown beside the spans of other machines
            attributes={**attributes, **(result.attributes or {})},
        )

    def write(self, context: TraceContext, span: SpanRecord) -> None:
        """See `SpanWriter.write`."""
        parent = self._to_context(context, span.parent, is_remote=span.has_remote_parent) if span.parent else None
        ended = ReadableSpan(
            span.name,
            self._to_context(context, span.id),
            parent,
            self._resource,
            self._bound(span.attributes),
            [self._to_event(event) for event in span.events],
            [self._to_link(link) for link in span.links],
            KINDS[span.kind],
            status=Status(StatusCode.UNSET) if span.error is None else Status(StatusCode.ERROR, span.error),
            start_time=span.start,
            end_time=span.end,
            instrumentation_scope=self._scope,
        )
        for queue in self._queues:
            queue.on_end(ended)

    async def close(self) -> None:
        """Deliver what has ended, for at most CLOSE_SECONDS: then the daemon thread that does it is abandoned."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=shut_down, name="cogitate-tracing", daemon=True).start()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await done.wait()
        except TimeoutError:
            for queue in self._queues:
                queue.abandon()

    def _bound(self, attributes: Attributes) -> BoundedAttributes:
        limits = self._limits
        return BoundedAttributes(limits.max_span_attributes, attributes, True, limits.max_span_attribute_length)

    def _to_event(self, event: SpanEvent) -> Event:
        return Event(event.name, self._bound(event.attributes), event.at)

    def _to_link(self, link: SpanLink) -> Link:
        return Link(self._to_context(link.context, link.id))

    def _to_context(self, context: TraceContext, span_id: int, *, is_remote: bool = False) -> SpanContext:
        state = TraceState.from_header([context.state]) if context.state else None
        return SpanContext(context.trace_id, span_id, is_remote, TraceFlags(context.flags), state)


class BoundedProcessor(SpanProcessor):  # type: ignore[misc]
    """The SDK's batch processor, which drops spans while its queue is full, and counts them."""

    def __init__(self, exporter: SpanExporter, count: Count) -> None:
        self._count, self._pending = count, 0
        self._exporter = exporter
        self._batches = BatchSpanProcessor(CountingExporter(exporter, self._settle))
        self._capacity = self._batches._default_max_queue_size()
        self._lock = threading.Lock()

    def on_end(self, span: ReadableSpan) -> None:
        with self._lock:
            is_full = self._pending >= self._capacity
            self._pending += not is_full
        if is_full:
            self._count("dropped", 1)
        else:
            self._batches.on_end(span)

    def shutdown(self) -> None:
        self._batches.shutdown()

    def abandon(self) -> None:
        """End the attempts to deliver what is queued."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return bool(self._batches.force_flush(timeout_millis))

    def _settle(self, result: str, spans: int) -> None:
        with self._lock:
            self._pending -= spans
        self._count(result, spans)


class CountingExporter(SpanExporter):  # type: ignore[misc]
    """Counts spans by whether they were delivered, and says so in the log when that changes."""

    def __init__(self, exporter: SpanExporter, count: Count) -> None:
        self._exporter, self._count = exporter, count
        self._is_failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._exporter.export(spans)
        except Exception:  # noqa: BLE001 whatever an exporter raises costs the spans alone
            result = SpanExportResult.FAILURE
        has_failed = result is not SpanExportResult.SUCCESS
        self._count("failed" if has_failed else "exported", len(spans))
        if has_failed and not self._is_failing:
            log.warning("spans cannot be delivered: they are dropped until the collector takes them")
        elif self._is_failing and not has_failed:
            log.warning("spans are delivered again")
        self._is_failing = has_failed
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return bool(self._exporter.force_flush(timeout_millis))


def build_resource() -> Resource:
    """Return the resource that the environment describes, with this server's name where it has none."""
    resource = Resource({"service.version": version("cogitate")}).merge(Resource.create())
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        return resource.merge(Resource({SERVICE_NAME: OWN_SERVICE}))
    return resource


def read_trace_headers(scope: Scope) -> dict[str, str]:
    """Return a request's `traceparent` and `tracestate`; of several `traceparent`, none is valid."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    parents = [value for name, value in headers if name == b"traceparent"]
    states = [value for name, value in headers if name == b"tracestate"]
    if len(parents) != 1:
        return {}
    state = {"tracestate": b",".join(states).decode("latin-1")} if states else {}
    return {"traceparent": parents[0].decode("latin-1"), **state}


def new_id(size: int) -> int:
    """Return a random id of so many bytes; 0 is none."""
    return int.from_bytes(os.urandom(size)) or 1
