"""An engine whose every decode has a span: its id is made here, so that the engine's own spans can be below it."""

import time
from dataclasses import dataclass, replace

from cogitate.server.engine.trace_headers import TRACE_HEADERS
from cogitate.server.observability.read_spans import ReadSpans
from cogitate.server.observability.request_span import CURRENT_SPAN, RequestSpan
from cogitate.server.observability.span_record import new_span_id
from cogitate.strategies.core.ports import Engine, OnAbort, OnText, SampleFailed
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion, Sampling


def trace_decodes(engine: Engine) -> Engine:
    """Return the engine, with a span for each decode where the current request is traced."""
    span = CURRENT_SPAN.get()
    return TracedEngine(engine, span) if span and span.context.is_sampled else engine


def open_reads(engine: Engine, model: str) -> "tuple[Engine, ReadSpans | None]":
    """Return an engine that records its decodes, where the current request is traced, and what writes their spans."""
    traced = trace_decodes(engine)
    if not isinstance(traced, TracedEngine):
        return engine, None
    spans = ReadSpans(traced.request, model)
    return ReadRecorder(traced, spans), spans


@dataclass(frozen=True, slots=True)
class TracedEngine:
    """Marks what an engine returns with the id of the span that the engine was given.

    The span is written later, from the trace of the search (`observability/spans.py`).
    """

    engine: Engine
    request: RequestSpan

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        span = new_span_id()

        def mark_aborted(partial: Completion) -> None:
            if on_abort:
                on_abort(replace(partial, span=span))

        token = TRACE_HEADERS.set(self.request.context.to_headers(span))
        try:
            made = await self.engine.generate(prompt, sampling, on_text=on_text, on_abort=mark_aborted)
        except SampleFailed as failure:
            failure.span = span
            raise
        finally:
            TRACE_HEADERS.reset(token)
        return replace(made, span=span)


@dataclass(frozen=True, slots=True)
class ReadRecorder:
    """Records when each decode began and how it ended. One that is cancelled before its first token has no span."""

    engine: TracedEngine
    spans: ReadSpans

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        start = time.monotonic()

        def record_aborted(partial: Completion) -> None:
            self.spans.add(start, partial, is_aborted=True)
            if on_abort:
                on_abort(partial)

        try:
            made = await self.engine.generate(prompt, sampling, on_text=on_text, on_abort=record_aborted)
        except SampleFailed as failure:
            self.spans.add(start, failure)
            raise
        self.spans.add(start, made)
        return made
