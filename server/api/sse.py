"""Server-sent events of chat and text completions: valid OpenAI chunks up to `[DONE]`, and progress on request."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from cogitate.server.engine import Body
from cogitate.server.errors import ApiError, BadRequest, RequestCancelled, UpstreamError
from cogitate.server.observability.event_json import to_progress
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.cogitate import Progress
from cogitate.server.protocol.json import dumps
from cogitate.server.serving.chat_response import relabel
from cogitate.server.serving.job import Job, JobReader
from cogitate.strategies.core.events import TextEmitted
from cogitate.strategies.core.types import TextDelta

KEEP_ALIVE_SECONDS = 15.0
"""Idle time before a comment is sent, so that proxies do not close the connection."""
KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"


def encode_event(body: Mapping[str, object]) -> bytes:
    return b"data: " + dumps(body) + b"\n\n"


@dataclass(slots=True)
class ChunkEncoder:
    """Encodes the chunks of one answer, which share id, time and model. Remembers the text that it has encoded."""

    plan: Plan
    content: str = ""
    reasoning: str = ""

    def build_chunk(self, delta: Body, finish: str | None = None, *, index: int = 0, logprobs: object = None) -> Body:
        text = {"delta": delta} if isinstance(self.plan.request, ChatRequest) else {"text": delta.get("content") or ""}
        return self._head() | {"choices": [{"index": index, **text, "logprobs": logprobs, "finish_reason": finish}]}

    def _head(self) -> Body:
        is_chat = isinstance(self.plan.request, ChatRequest)
        return {
            "id": self.plan.id,
            "object": "chat.completion.chunk" if is_chat else "text_completion",
            "created": self.plan.created,
            "model": self.plan.model,
        }

    def encode_start(self) -> bytes:
        return encode_event(self.build_chunk({"role": "assistant", "content": ""}))

    def encode_progress(self, progress: Progress) -> bytes:
        """A chunk with an empty delta and the event."""
        return encode_event(self.build_chunk({}) | {"cogitate": progress})

    def encode_text(self, text: TextDelta) -> bytes:
        """A chunk of text as it is decoded: content, or reasoning where that is separate."""
        is_apart = is_reasoning(self.plan, text)
        if is_apart:
            self.reasoning += text.text
        else:
            self.content += text.text
        return encode_event(self.build_chunk({"reasoning_content" if is_apart else "content": text.text}))

    def encode_end(self, body: Body) -> Iterator[bytes]:
        """The part of a finished answer that is not encoded yet: its remaining text, calls, finish reason and usage."""
        for at, choice in enumerate(body["choices"]):
            index = choice.get("index") or at
            if index:
                yield encode_event(self.build_chunk({"role": "assistant", "content": ""}, index=index))
            rest = self._remaining(choice.get("message") or {"content": choice.get("text")}, is_first=index == 0)
            if rest or choice.get("logprobs"):
                yield encode_event(self.build_chunk(rest, index=index, logprobs=choice.get("logprobs")))
            last = self.build_chunk({}, choice.get("finish_reason"), index=index)
            if choice.get("stop_reason") is not None:
                last["choices"][0]["stop_reason"] = choice["stop_reason"]
            yield encode_event(last | ({"cogitate": body["cogitate"]} if "cogitate" in body else {}))
        options = self.plan.request.stream_options
        if options and options.include_usage:
            yield encode_event(self._head() | {"choices": [], "usage": body.get("usage")})
        yield DONE

    def _remaining(self, message: Body, *, is_first: bool) -> Body:
        delta: Body = {}
        if content := remaining_text(message.get("content"), self.content if is_first else ""):
            delta["content"] = content
        reasoning = message.get("reasoning_content") or message.get("reasoning")
        if reasoning := remaining_text(reasoning, self.reasoning if is_first else ""):
            delta["reasoning_content"] = reasoning
        if calls := message.get("tool_calls"):
            delta["tool_calls"] = [{"index": at, **call} for at, call in enumerate(calls)]
        return delta


def remaining_text(text: Any, sent: str) -> Any:  # noqa: ANN401 an upstream's content may be a list of parts
    """The text after `sent`; empty where it does not begin so, since a stream cannot take anything back."""
    if isinstance(text, list):
        return text
    return text.removeprefix(sent) if text and text.startswith(sent) else ""


def stream(plan: Plan, job: Job[Body], reader: JobReader) -> AsyncGenerator[bytes]:
    """Encode a job's answer; the engine's own stream is passed on."""
    is_engine_stream = plan.strategy is None and not job.cached
    return relay(job, reader) if is_engine_stream else encode_answer(plan, job, reader)


async def encode_answer(plan: Plan, job: Job[Body], reader: JobReader) -> AsyncGenerator[bytes]:
    """Yield the role, text as it is decoded, progress where requested, the answer, and `[DONE]`.

    A failure is an error event without `[DONE]` after it.
    """
    encoder = ChunkEncoder(plan)
    yield encoder.encode_start()
    options = plan.request.stream_options
    progress_wish = options.include_progress if options else None
    events = follow(job, reader)
    try:
        async for event in events:
            if event is None:
                yield KEEP_ALIVE
            elif isinstance(event, TextEmitted):
                if shows_text(plan):
                    yield encoder.encode_text(event.delta)
            elif progress_wish and (progress := to_progress(event, plan.served_model, text=progress_wish == "text")):
                yield encoder.encode_progress(progress)
    finally:
        await events.aclose()
    if error := find_error(job, reader):
        yield encode_event(error.body)
        return
    for chunk in encoder.encode_end(relabel(plan, job.result(), cached=job.cached)):
        yield chunk


def shows_text(plan: Plan) -> bool:
    """Whether text is sent as it is decoded."""
    return plan.strategy is None or plan.strategy.reasoning != "hidden"


def is_reasoning(plan: Plan, text: TextDelta) -> bool:
    """Whether text belongs to the reasoning, by the engine's parser or by the strategy's `reasoning` option."""
    return text.reasoning or (plan.strategy is not None and plan.strategy.reasoning != "inline")


async def relay(job: Job[Body], reader: JobReader) -> AsyncGenerator[bytes]:
    """Yield the lines of the engine's own stream unchanged, but an error as this server's error event."""
    lines = follow(job, reader)
    try:
        async for line in lines:
            if line is None:
                yield KEEP_ALIVE
            elif error := parse_error(line):
                yield encode_event(error.body)
                return
            else:
                yield line.encode()
    finally:
        await lines.aclose()
    if error := find_error(job, reader):
        yield encode_event(error.body)


async def follow(job: Job[Body], reader: JobReader) -> AsyncGenerator[Any]:
    """Yield the events of a job, and None after every KEEP_ALIVE_SECONDS without one, until job or reader ends."""
    while True:
        while (event := job.record.next_event(reader.place)) is not None:
            yield event
        if job.record.closed or job.task is None or reader.dropped.done():
            return
        if not await job.record.wait(KEEP_ALIVE_SECONDS):
            yield None


def find_error(job: Job[Body], reader: JobReader) -> ApiError | None:
    """The error of a stream that ends without an answer."""
    return RequestCancelled() if reader.dropped.done() else job.failure


def raise_first_error(job: Job[Body]) -> None:
    """Raise the error that an engine's own stream begins with, so that it still has its status."""
    first = next(iter(job.record), None)
    if isinstance(first, str) and (error := parse_error(first)):
        raise error


def parse_error(line: str) -> ApiError | None:
    """Convert an error event of the engine's own stream; None for every other line."""
    if not line.startswith('data: {"error"'):
        return None
    error = orjson.loads(line.removeprefix("data: "))["error"]
    if error.get("code", 500) < 500:
        return BadRequest(str(error["message"])[:500], param=error.get("param"))
    return UpstreamError("The engine lost this request.")
