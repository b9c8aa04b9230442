"""The queue of spans that wait to be sent: bounded, and with a count of what became of them."""

import logging
import threading
from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

log = logging.getLogger("cogitate.tracing")
Count = Callable[[str, int], None]
"""Counts spans by what became of them: `exported`, `failed`, `dropped`."""


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
        if has_failed and not self._is_failing:
            log.warning("spans cannot be delivered: they are dropped until the collector takes them")
        elif self._is_failing and not has_failed:
            log.warning("spans are delivered again")
        self._is_failing = has_failed
        self._count("failed" if has_failed else "exported", len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return bool(self._exporter.force_flush(timeout_millis))
