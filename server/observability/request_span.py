"""The server span of one request, from its first byte to its last."""

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import orjson

from cogitate.server.errors import ApiError
from cogitate.server.observability import semconv
from cogitate.server.observability.span_content import describe_plain
from cogitate.server.observability.span_record import (
    Attributes,
    SpanLink,
    SpanRecord,
    SpanWriter,
    TraceContext,
    Value,
    new_span_id,
)
from cogitate.server.planning.plan import Plan

NANOSECONDS = 1_000_000_000
MAX_NAME_CHARACTERS = 200
"""Of a model: a plain request may name any."""
MAX_PARSED_BYTES = 1 << 20
"""Of a body that is parsed for its model alone."""
COUNTS = (semconv.INPUT_TOKENS, semconv.OUTPUT_TOKENS)
TOTALS = (semconv.TOTAL_INPUT_TOKENS, semconv.TOTAL_OUTPUT_TOKENS)
"""Of the spans below."""
FAILURE_STATUS = 500
"""From here on an HTTP status is a failure of the server's, by the conventions."""


@dataclass(slots=True, eq=False)
class RequestSpan:
    """Collects what is known of a request while it is answered, and writes the span when it ends.

    Its id, and those of the spans below it, are made before: engines and upstreams are given them as parents.
    """

    writer: SpanWriter
    context: TraceContext
    name: str
    parent: int
    provider: str
    """What answers: `vllm`, or upstreams that speak OpenAI's API."""
    captures_content: bool
    start: int
    """Unix time in nanoseconds."""
    attributes: dict[str, Value]
    id: int = field(default_factory=new_span_id)
    link: SpanLink | None = None
    """The span of the request whose work answers this one too; None: it has work of its own."""
    error: str | None = None
    _began: float = field(default_factory=time.monotonic)
    _end: int = 0
    """When the response ended."""
    _parts: int = 1
    """What must still end before it is written: the response, and the work for it."""
    _describe_work: Callable[[], None] | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that make this span the parent."""
        return self.context.to_headers(self.id)

    @property
    def is_described(self) -> bool:
        """Whether it is known what was asked for."""
        return semconv.STRATEGY in self.attributes

    def to_unix_time(self, monotonic: float) -> int:
        """Return the Unix time, in nanoseconds, of a time of the monotonic clock."""
        return self.start + round((monotonic - self._began) * NANOSECONDS)

    def describe(self, plan: Plan, cache: str) -> None:
        """Record what was asked for. `cache`: whether an earlier answer or a running job answers it."""
        self._name_model(plan.served_model or plan.model)
        self.attributes |= {
            semconv.REQUEST_STREAM: bool(plan.request.stream),
            semconv.STRATEGY: plan.strategy_name,
            semconv.CACHE: cache,
            semconv.RESPONSE_ID: plan.id,
            **({semconv.TENANT: plan.caller.tenant} if plan.caller.tenant else {}),
        }

    def describe_body(self, body: bytes) -> None:
        """Record the model of a request that nothing here has parsed: vLLM's own route has answered it."""
        content = parse_object(body) if self.context.is_sampled and len(body) <= MAX_PARSED_BYTES else {}
        if isinstance(model := content.get("model"), str):
            self._name_model(model)
        self.attributes |= {semconv.REQUEST_STREAM: content.get("stream") is True, semconv.STRATEGY: "none"}

    def begin_work(self) -> None:
        """Record that a job was begun for it. The span is written when both the job and the response have ended."""
        self._parts = 2

    def end_work(self, describe: Callable[[], None]) -> None:
        """Record that the job has ended. `describe`: records how, once the response has ended too."""
        self._describe_work = describe
        self._end_part()

    def _name_model(self, model: str) -> None:
        model = model[:MAX_NAME_CHARACTERS]
        self.attributes[semconv.REQUEST_MODEL] = model
        if operation := self.attributes.get(semconv.OPERATION):
            self.name = f"{operation} {model}".strip()

    def record_failure(self, failure: ApiError) -> None:
        """Record how the work for this request failed. A client that left is none of the server's failures."""
        self.attributes[semconv.ERROR_TYPE] = failure.code or str(failure.status)
        if failure.status >= FAILURE_STATUS:
            self.error = failure.message

    def record_answer(self, plan: Plan, body: Mapping[str, Any] | None, *, has_parts: bool = False) -> None:
        """Record the usage of an answer without a trace, in any API's words. `body`: None where there is none.

        `has_parts`: the spans below have its usage, which would be counted twice under the same names.
        """
        self.attributes[semconv.PROVIDER] = self.provider
        self.attributes |= read_usage((body or {}).get("usage"), TOTALS if has_parts else COUNTS)
        if self.captures_content and self.context.is_sampled:
            self.attributes |= describe_plain(plan, body)

    def end(self, status: int, more: Attributes) -> None:
        """Write the span. `status`: of the response; 0: none was begun."""
        if not self.context.is_sampled:
            return
        if semconv.OPERATION not in self.attributes and semconv.HTTP_ROUTE in more:
            self.name = f"{self.name} {more[semconv.HTTP_ROUTE]}"
        if status:
            self.attributes[semconv.HTTP_STATUS] = status
        if status >= FAILURE_STATUS:
            self.attributes.setdefault(semconv.ERROR_TYPE, str(status))
        if status >= FAILURE_STATUS and self.error is None:
            self.error = ""
        self.attributes |= more
        self._end = self.to_unix_time(time.monotonic())
        self._end_part()

    def _end_part(self) -> None:
        self._parts -= 1
        if not self._parts:
            self.writer.submit(self._write)

    def _write(self) -> None:
        """Build and write the span, in the writer's thread."""
        if self._describe_work:
            self._describe_work()
        record = SpanRecord(
            name=self.name,
            kind="server",
            id=self.id,
            parent=self.parent,
            has_remote_parent=True,
            start=self.start,
            end=self._end,
            attributes=self.attributes,
            links=(self.link,) if self.link else (),
            error=self.error,
        )
        self.writer.write(self.context, record)


CURRENT_SPAN: ContextVar[RequestSpan | None] = ContextVar("current_span", default=None)
"""That of the request that the current task works for; None where it is not traced."""


def parse_object(body: bytes) -> Mapping[str, Any]:
    """Parse a JSON object; empty for what is none."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}


def read_usage(usage: object, names: tuple[str, str]) -> dict[str, Value]:
    """Read the token counts of a response's usage: OpenAI's names, or those of the Responses API and Anthropic's."""
    if not isinstance(usage, Mapping):
        return {}
    pairs = zip(names, (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens")), strict=True)
    counts = {key: next((usage[name] for name in fields if name in usage), None) for key, fields in pairs}
    return {key: count for key, count in counts.items() if isinstance(count, int)}
