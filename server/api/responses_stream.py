"""Server-sent events of the Responses API, from `response.created` to `response.completed`."""

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from typing import Any

from cogitate.server.api import sse
from cogitate.server.api.responses_body import (
    build_initial_response,
    build_message,
    build_reasoning,
    build_text_part,
    render_response,
)
from cogitate.server.engine import Body
from cogitate.server.errors import ApiError
from cogitate.server.observability.trace_json import to_progress
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.server.protocol.responses_event import encode_error, encode_event
from cogitate.server.protocol.responses_field_names import rename_fields
from cogitate.server.serving.jobs import Job, JobReader
from cogitate.strategies.core.trace import Event, TextEmitted
from cogitate.strategies.core.types import TextDelta

PART_EVENTS = {
    "output_text": ("response.output_text", "text"),
    "reasoning_text": ("response.reasoning_text", "text"),
    "refusal": ("response.refusal", "refusal"),
}
"""Type of a part -> prefix of its events, and the field of its text."""


def stream(request: ResponsesRequest, plan: Plan, job: Job[Body], reader: JobReader) -> AsyncGenerator[bytes]:
    """Encode a job's answer; the engine's own stream is passed on."""
    return encode_answer(request, plan, job, reader) if plan.strategy else relay(job, reader)


async def encode_answer(
    request: ResponsesRequest, plan: Plan, job: Job[Body], reader: JobReader
) -> AsyncGenerator[bytes]:
    """Yield the request's echo, text as it is decoded, progress where requested, and the answer.

    A failure is an `error` event, and the last one.
    """
    encoder = EventEncoder(request, plan)
    for chunk in encoder.encode_start():
        yield chunk
    search_events = sse.follow(job, reader)
    try:
        async for event in search_events:
            if event is None:
                yield sse.KEEP_ALIVE
                continue
            for chunk in encoder.encode_search_event(event):
                yield chunk
    finally:
        await search_events.aclose()
    if error := _find_error(job, reader):
        yield encode_error(error, encoder.number)
        return
    for chunk in encoder.encode_end(render_response(request, plan, job.result(), cached=job.cached)):
        yield chunk


async def relay(job: Job[Body], reader: JobReader) -> AsyncGenerator[bytes]:
    """Yield the lines of the engine's own stream unchanged."""
    lines = sse.follow(job, reader)
    try:
        async for line in lines:
            yield sse.KEEP_ALIVE if line is None else line.encode()
    finally:
        await lines.aclose()
    if error := _find_error(job, reader):
        yield encode_error(error, job.record.count)


def _find_error(job: Job[Body], reader: JobReader) -> ApiError | None:
    error = sse.find_error(job, reader)
    return rename_fields(error) if error else None


@dataclass(slots=True)
class OpenItem:
    """An output item that has been added to the stream, and the text of its first part so far."""

    index: int
    item: Body
    text: str = ""
    parts: int = 0
    """Number of parts that have been added."""


@dataclass(slots=True)
class EventEncoder:
    """Encodes and numbers the events of one response.

    An item stays open until the answer is complete, since more text of it may be decoded.
    """

    request: ResponsesRequest
    plan: Plan
    number: int = 0
    """Sequence number of the next event."""
    items: dict[str, OpenItem] = field(default_factory=dict)
    """By id, in the order in which they were added."""

    def encode(self, kind: str, **fields: Any) -> bytes:  # noqa: ANN401 JSON
        self.number += 1
        return encode_event(kind, self.number - 1, **fields)

    def encode_start(self) -> Iterator[bytes]:
        response = build_initial_response(self.request, self.plan)
        yield self.encode("response.created", response=response)
        yield self.encode("response.in_progress", response=response)

    def encode_search_event(self, event: Event) -> Iterator[bytes]:
        """Text that is shown as it is decoded, and progress where the client requests it."""
        options = self.request.stream_options
        if isinstance(event, TextEmitted):
            if event.delta.text and sse.shows_text(self.plan):
                yield from self.encode_text(event.delta)
        elif options and options.include_progress and (progress := to_progress(event)):
            yield self.encode("cogitate.progress", cogitate=progress)

    def encode_text(self, text: TextDelta) -> Iterator[bytes]:
        """Text as it is decoded: of the message, or of the reasoning where that is separate."""
        plan, status = self.plan, "in_progress"
        is_reasoning = sse.is_reasoning(plan, text)
        item = build_reasoning(plan, "", status) if is_reasoning else build_message(plan, [build_text_part("")], status)
        yield from self._add_item(item)
        open_item = self.items[item["id"]]
        yield from self._add_part(open_item, 0, item["content"][0])
        open_item.text += text.text
        yield self._encode_delta(open_item, 0, item["content"][0], text.text)

    def encode_end(self, response: Body) -> Iterator[bytes]:
        """The part of a complete response that is not encoded yet: its remaining texts, its calls, its end."""
        response = response | {"output": self._merge_output(response)}
        for item in response["output"]:
            yield from self._add_item(item)
        for item in response["output"]:
            open_item = self.items[item["id"]]
            is_call = item["type"] == "function_call"
            yield from self._encode_call(open_item, item) if is_call else self._encode_texts(open_item, item)
            yield self.encode("response.output_item.done", output_index=open_item.index, item=item)
        yield self.encode(f"response.{response['status']}", response=response)

    def _merge_output(self, response: Body) -> list[Body]:
        """The output in the order of the stream, with text that was streamed and is not in the final output."""
        output = {item["id"]: item for item in response["output"]}
        for key, open_item in self.items.items():
            part = open_item.item["content"][0] | {"text": open_item.text}
            item = output.setdefault(key, open_item.item | {"content": [part], "status": response["status"]})
            if not item["content"] or item["content"][0]["type"] != part["type"]:
                item["content"] = [part, *item["content"]]
        return [output.pop(key) for key in self.items] + list(output.values())

    def _add_item(self, item: Body) -> Iterator[bytes]:
        if item["id"] in self.items:
            return
        self.items[item["id"]] = open_item = OpenItem(len(self.items), item)
        empty: Body = {"arguments": ""} if item["type"] == "function_call" else {"content": []}
        added = item | empty | {"status": "in_progress"}
        yield self.encode("response.output_item.added", output_index=open_item.index, item=added)

    def _add_part(self, item: OpenItem, at: int, part: Body) -> Iterator[bytes]:
        if at == item.parts:
            item.parts += 1
            empty = part | {PART_EVENTS[part["type"]][1]: ""} | ({"logprobs": []} if "logprobs" in part else {})
            yield self.encode("response.content_part.added", **_position(item, at), part=empty)

    def _encode_texts(self, open_item: OpenItem, item: Body) -> Iterator[bytes]:
        for at, part in enumerate(item["content"] or []):
            kind, key = PART_EVENTS[part["type"]]
            yield from self._add_part(open_item, at, part)
            if rest := sse.remaining_text(part[key], open_item.text if at == 0 else ""):
                yield self._encode_delta(open_item, at, part | {"logprobs": []} if open_item.text else part, rest)
            yield self.encode(f"{kind}.done", **_position(open_item, at), **{key: part[key]}, **_logprobs(part))
            yield self.encode("response.content_part.done", **_position(open_item, at), part=part)

    def _encode_delta(self, item: OpenItem, at: int, part: Body, text: str) -> bytes:
        kind = PART_EVENTS[part["type"]][0]
        return self.encode(f"{kind}.delta", **_position(item, at), delta=text, **_logprobs(part))

    def _encode_call(self, open_item: OpenItem, item: Body) -> Iterator[bytes]:
        kind, at = "response.function_call_arguments", {"item_id": item["id"], "output_index": open_item.index}
        yield self.encode(f"{kind}.delta", **at, delta=item["arguments"])
        yield self.encode(f"{kind}.done", **at, name=item["name"], arguments=item["arguments"])


def _position(item: OpenItem, part: int) -> Body:
    return {"item_id": item.item["id"], "output_index": item.index, "content_index": part}


def _logprobs(part: Body) -> Body:
    """Log-probabilities of a text as events have them: without the bytes."""
    if part["type"] != "output_text":
        return {}
    return {
        "logprobs": [
            _token(token) | {"top_logprobs": [*map(_token, token["top_logprobs"])]} for token in part["logprobs"]
        ]
    }


def _token(token: Body) -> Body:
    return {"token": token["token"], "logprob": token["logprob"]}
