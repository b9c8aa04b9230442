"""The spans of a decision: one for each read, written once all have ended."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from cogitate.server.observability import semconv
from cogitate.server.observability.request_span import RequestSpan
from cogitate.server.observability.span_content import ContentWriter
from cogitate.server.observability.span_record import SpanRecord, Value
from cogitate.server.observability.spans import MAX_REASON_CHARACTERS, describe_completion
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.types import Completion


@dataclass(frozen=True, slots=True)
class Read:
    """One read that has ended. Times are those of the monotonic clock."""

    id: int
    """That of its span, below which the engine's own spans are."""
    start: float
    end: float
    result: Completion | SampleFailed
    is_aborted: bool = False


@dataclass(slots=True)
class ReadSpans:
    """Collects the reads of a decision, and computes their spans."""

    request: RequestSpan
    model: str
    reads: list[Read] = field(default_factory=list)

    def add(self, start: float, result: Completion | SampleFailed, *, is_aborted: bool = False) -> None:
        self.reads.append(Read(result.span, start, time.monotonic(), result, is_aborted))

    def write(self) -> None:
        """Write a span for each read, below that of the request."""
        content = ContentWriter() if self.request.captures_content else None
        for index, read in enumerate(self.reads):
            self.request.writer.write(self.request.context, self._build_span(index, read, content))

    def _build_span(self, index: int, read: Read, content: ContentWriter | None) -> SpanRecord:
        lost = isinstance(read.result, SampleFailed)
        return SpanRecord(
            name=f"{semconv.CHAT} {self.model}",
            kind="client",
            id=read.id,
            parent=self.request.id,
            start=self.request.to_unix_time(read.start),
            end=self.request.to_unix_time(read.end),
            attributes=dict(self._describe(index, read, content)),
            error=str(read.result)[:MAX_REASON_CHARACTERS] if lost else None,
        )

    def _describe(self, index: int, read: Read, content: ContentWriter | None) -> Iterator[tuple[str, Value]]:
        yield semconv.OPERATION, semconv.CHAT
        yield semconv.PROVIDER, self.request.provider
        yield semconv.REQUEST_MODEL, self.model
        yield semconv.REQUEST_MAX_TOKENS, 1
        yield semconv.ROLE, "read"
        yield semconv.INDEX, index
        if isinstance(read.result, SampleFailed):
            yield semconv.ERROR_TYPE, "sample_failed"
            return
        yield from describe_completion(read.result, is_aborted=read.is_aborted).items()
        yield from content.describe(read.result).items() if content else ()
