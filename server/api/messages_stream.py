"""Server-sent events of Anthropic's Messages API, converted from the chunks of a chat's stream."""

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from cogitate.server.api import sse
from cogitate.server.api.messages_body import (
    build_extras,
    build_initial_message,
    build_signature,
    build_usage,
    to_stop_reason,
    to_text,
)
from cogitate.server.engine import Body
from cogitate.server.errors import UpstreamError
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.anthropic import MessagesRequest
from cogitate.server.protocol.anthropic_error import build_error
from cogitate.server.protocol.json import dumps
from cogitate.server.serving.job import Job, JobReader

MAX_CALLS = 128
"""Calls of one message."""


def encode_event(kind: str, **fields: Any) -> bytes:  # noqa: ANN401 JSON
    return b"event: " + kind.encode() + b"\ndata: " + dumps({"type": kind} | fields) + b"\n\n"


PING = encode_event("ping")


async def stream(request: MessagesRequest, plan: Plan, job: Job[Body], reader: JobReader) -> AsyncGenerator[bytes]:
    """Encode a job's answer. A failure is an `error` event, and the last one."""
    encoder = EventEncoder(request, plan)
    yield encoder.encode_start()
    yield PING
    chunks = sse.stream(plan, job, reader)
    try:
        async for chunk in chunks:
            for event in encoder.encode(chunk):
                yield event
            if encoder.has_failed:
                return
    finally:
        await chunks.aclose()
    for event in encoder.encode_end():
        yield event


async def relay(plan: Plan, job: Job[Body], reader: JobReader) -> AsyncGenerator[bytes]:
    """Yield the lines of the engine's own stream of messages unchanged."""
    lines = sse.follow(job, reader)
    try:
        async for line in lines:
            yield PING if line is None else line.encode()
    finally:
        await lines.aclose()
    if error := sse.find_error(job, reader):
        yield encode_error(error.body, plan)


def encode_error(body: Body, plan: Plan) -> bytes:
    """`body`: the error in OpenAI's envelope."""
    return b"event: error\ndata: " + dumps(build_error(body, plan.caller.request_id)) + b"\n\n"


@dataclass(slots=True)
class EventEncoder:
    """Encodes the blocks of one message: each ends before the next one begins."""

    request: MessagesRequest
    plan: Plan
    has_failed: bool = False
    count: int = 0
    """Number of blocks that have begun."""
    open: str = ""
    """Type of the block that has not ended; empty: none."""
    thinking: str = ""
    """Text of the open thinking block."""
    held: str = ""
    """Text that came amid a call: it follows the call, as a block of its own."""
    calls: list[Body] = field(default_factory=list)
    call_indexes: list[int] = field(default_factory=list)
    """The chat's index of each call."""
    finish: str | None = None
    stop: object = None
    usage: Body | None = None
    cogitate: Body | None = None

    def encode_start(self) -> bytes:
        return encode_event("message_start", message=build_initial_message(self.plan))

    def encode(self, chunk: bytes) -> list[bytes]:
        """Encode one event of the chat's stream. A failure is the last event."""
        if chunk in (sse.KEEP_ALIVE, sse.DONE):
            return [PING] if chunk == sse.KEEP_ALIVE else []
        body = orjson.loads(chunk.removeprefix(b"data: "))
        try:
            if "error" not in body:
                return list(self._encode_chunk(body))
        except UpstreamError as error:
            body = error.body
        self.has_failed = True
        return [encode_error(body, self.plan)]

    def _encode_chunk(self, chunk: Body) -> Iterator[bytes]:
        """Raises UpstreamError for calls that an upstream mixes up."""
        self.usage = chunk.get("usage") or self.usage
        self.cogitate = chunk.get("cogitate") or self.cogitate
        for choice in chunk["choices"][:1]:
            self.finish = choice.get("finish_reason") or self.finish
            self.stop = choice.get("stop_reason") or self.stop
            yield from self._encode_delta(choice.get("delta") or {})

    def encode_end(self) -> Iterator[bytes]:
        yield from self._close()
        if not self.count:
            yield from self._open({"type": "text", "text": ""})
            yield from self._close()
        stop_reason, stop_sequence = to_stop_reason(self.finish, self.stop, self.calls)
        yield encode_event(
            "message_delta",
            delta={"stop_reason": stop_reason, "stop_sequence": stop_sequence},
            usage=build_usage(self.usage),
            **build_extras(self.request, self.cogitate),
        )
        yield encode_event("message_stop")

    def _encode_delta(self, delta: Body) -> Iterator[bytes]:
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if reasoning and self.request.shows_thinking:
            yield from self._encode_thinking(reasoning)
        if text := to_text(delta.get("content")) or delta.get("refusal"):
            if self.open == "tool_use":
                self.held += text
            else:
                yield from self._encode_text(text)
        for call in delta.get("tool_calls") or ():
            yield from self._encode_call(call)

    def _encode_thinking(self, text: str) -> Iterator[bytes]:
        if self.open != "thinking":
            yield from self._close()
            yield from self._open({"type": "thinking", "thinking": "", "signature": ""})
        self.thinking += text
        if not self.request.omits_thinking:
            yield self._encode_block_delta("thinking_delta", thinking=text)

    def _encode_text(self, text: str) -> Iterator[bytes]:
        if self.open != "text":
            yield from self._close()
            yield from self._open({"type": "text", "text": ""})
        yield self._encode_block_delta("text_delta", text=text)

    def _encode_call(self, call: Body) -> Iterator[bytes]:
        index, function = call.get("index") or 0, call.get("function") or {}
        if index not in self.call_indexes:
            yield from self._begin_call(index, call, function)
        elif self.open != "tool_use" or index != self.call_indexes[-1]:
            raise UpstreamError("The upstream continued a tool call after the next block had begun.")
        if arguments := function.get("arguments"):
            self.calls[-1]["function"]["arguments"] += arguments
            yield self._encode_block_delta("input_json_delta", partial_json=arguments)

    def _begin_call(self, index: int, call: Body, function: Body) -> Iterator[bytes]:
        if len(self.calls) == MAX_CALLS or not call.get("id") or not function.get("name"):
            raise UpstreamError("The upstream sent a tool call without id or name, or too many.")
        yield from self._close()
        self.call_indexes.append(index)
        self.calls.append({"function": {"arguments": ""}})
        yield from self._open({"type": "tool_use", "id": call["id"], "name": function["name"], "input": {}})

    def _open(self, block: Body) -> Iterator[bytes]:
        self.open, self.thinking = block["type"], ""
        self.count += 1
        yield encode_event("content_block_start", index=self.count - 1, content_block=block)

    def _close(self) -> Iterator[bytes]:
        """End the open block, and add the text that was held."""
        if self.open == "thinking":
            signature = build_signature(self.request, self.plan, self.thinking)
            yield self._encode_block_delta("signature_delta", signature=signature)
        if self.open:
            yield encode_event("content_block_stop", index=self.count - 1)
        self.open, text, self.held = "", self.held, ""
        if text:
            yield from self._encode_text(text)
            yield from self._close()

    def _encode_block_delta(self, kind: str, **fields: str) -> bytes:
        return encode_event("content_block_delta", index=self.count - 1, delta={"type": kind} | fields)
