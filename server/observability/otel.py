"""OpenTelemetry's SDK behind this server's spans: sampling, queue, export. Imported only where requests are traced.

Spans are written when they have ended, under ids that were chosen before: the engine was given them as parents. The
SDK's own `start_span` chooses ids itself, so that ended spans are built here and handed to its batch processor.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
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
    get_tracer_provider,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import Scope

from cogitate.server.config.telemetry import SERVICE_NAME
from cogitate.server.observability.batch_thread import PAUSE_SECONDS, BatchThread
from cogitate.server.observability.request_span import RequestSpan
from cogitate.server.observability.safe_traceback import format_traceback
from cogitate.server.observability.span_queue import BoundedProcessor, Count
from cogitate.server.observability.span_record import (
    Attributes,
    SpanEvent,
    SpanLink,
    SpanRecord,
    TraceContext,
    new_trace_id,
)

log = logging.getLogger("cogitate.tracing")
CLOSE_SECONDS = 3.0
"""How long spans are delivered at shutdown; what then remains is lost."""
DEFAULT_LIMITS = 128
"""Attributes of a span."""
MAX_PENDING = 2048
"""Requests that have ended and whose spans wait to be built."""
RANDOM_FLAG = 2
"""W3C's flag of a random trace id."""
KINDS = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT}
EMPTY = Context()
PROPAGATOR = TraceContextTextMapPropagator()


class Tracing:
    """Begins the spans of requests, and sends what has ended to the exporters."""

    def __init__(
        self,
        exporters: Sequence[SpanExporter],
        count: Count,
        *,
        provider: str = "vllm",
        captures_content: bool = False,
    ) -> None:
        self.provider, self.captures_content, self._count = provider, captures_content, count
        resource = build_resource()
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._sampler, self._resource, self._limits = self._provider.sampler, resource, SpanLimits()
        self._scope = InstrumentationScope("cogitate", version("cogitate"))
        self._queues = [BoundedProcessor(exporter, count) for exporter in exporters]
        for queue in self._queues:
            self._provider.add_span_processor(queue)
        self._works = BatchThread("cogitate-spans", self._run, MAX_PENDING, delay=PAUSE_SECONDS)

    def begin(self, scope: Scope, name: str, attributes: Attributes) -> RequestSpan:
        """Begin the server span of a request, whose parent is that of its headers."""
        headers = read_trace_headers(scope)
        context = PROPAGATOR.extract(headers) if headers else EMPTY
        parent = get_current_span(context).get_span_context()
        trace_id = parent.trace_id if parent.is_valid else new_trace_id()
        result = self._sampler.should_sample(context, trace_id, name, SpanKind.SERVER, attributes)
        is_random = parent.trace_flags & RANDOM_FLAG if parent.is_valid else RANDOM_FLAG
        state = result.trace_state.to_header() if result.trace_state else ""
        trace = TraceContext(trace_id, int(result.decision.is_sampled()) | is_random, state)
        return RequestSpan(
            self,
            trace,
            name,
            parent=parent.span_id if parent.is_valid else 0,
            provider=self.provider,
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

    def submit(self, work: Callable[[], None]) -> None:
        """See `SpanWriter.submit`. While too much waits, the work is dropped: one is counted, whatever its spans."""
        self._works.put(work)

    def _run(self, works: list[Callable[[], None]], dropped: int) -> None:
        if dropped:
            self._count("dropped", dropped)
        for work in works:
            try:
                work()
            except Exception as failure:  # noqa: BLE001 a trace that cannot be written costs nothing else
                log.error("the spans of a request could not be written: %s", format_traceback(failure))

    async def close(self) -> None:
        """Deliver what has ended, vLLM's spans in this process too, for at most CLOSE_SECONDS.

        Then the daemon threads that do it are abandoned. vLLM itself would wait for its spans when the process exits,
        for 30 seconds where the collector is down.
        """
        works: list[Callable[[], object]] = [self._shut_down]
        if isinstance(vllms := get_tracer_provider(), TracerProvider):
            works.append(vllms.shutdown)
        if not await run_in_daemons(works, CLOSE_SECONDS):
            for queue in self._queues:
                queue.abandon()

    def _shut_down(self) -> None:
        self._works.close(CLOSE_SECONDS)
        self._provider.shutdown()

    def _bound(self, attributes: Attributes) -> Attributes:
        """Apply the operator's limits. The defaults are beyond what any of our spans has."""
        limits = self._limits
        if limits.max_span_attributes == DEFAULT_LIMITS and limits.max_span_attribute_length is None:
            return attributes
        bounded: Attributes = BoundedAttributes(
            limits.max_span_attributes, attributes, True, limits.max_span_attribute_length
        )
        return bounded

    def _to_event(self, event: SpanEvent) -> Event:
        return Event(event.name, self._bound(event.attributes), event.at)

    def _to_link(self, link: SpanLink) -> Link:
        return Link(self._to_context(link.context, link.id))

    def _to_context(self, context: TraceContext, span_id: int, *, is_remote: bool = False) -> SpanContext:
        state = TraceState.from_header([context.state]) if context.state else None
        return SpanContext(context.trace_id, span_id, is_remote, TraceFlags(context.flags), state)


async def run_in_daemons(works: Sequence[Callable[[], object]], seconds: float) -> bool:
    """Run each work in a thread that does not outlive the process. Returns whether all ended in time."""
    loop, waiting = asyncio.get_running_loop(), len(works)
    done = asyncio.Event()

    def settle() -> None:
        nonlocal waiting
        waiting -= 1
        if not waiting:
            done.set()

    def run(work: Callable[[], object]) -> None:
        work()
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle)

    for work in works:
        threading.Thread(target=run, args=(work,), name="cogitate-tracing", daemon=True).start()
    try:
        async with asyncio.timeout(seconds):
            await done.wait()
    except TimeoutError:
        return False
    return True


def build_resource() -> Resource:
    """Return the resource that the environment describes, with this server's name where it has none."""
    resource = Resource({"service.version": version("cogitate")}).merge(Resource.create())
    if str(resource.attributes["service.name"]).startswith("unknown_service"):
        return resource.merge(Resource({"service.name": SERVICE_NAME}))
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
