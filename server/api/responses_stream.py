"""Events of a response by a strategy, from `response.created` to `response.completed`."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from cogitate.server.api import sse
from cogitate.server.api.responses_body import build_message, build_reasoning, build_text_part, render_response
from cogitate.server.api.responses_encoder import ResponseEncoder
from cogitate.server.engine import Body
from cogitate.server.observability.event_json import to_progress
from cogitate.server.serving.job import Job
from cogitate.strategies.core.events import Event, TextEmitted
from cogitate.strategies.core.types import TextDelta

PART_EVENTS = {
    "output_text": ("response.output_text", "text"),
    "reasoning_text": ("response.reasoning_text", "text"),
    "refusal": ("response.refusal", "refusal"),
}
"""Type of a part -> prefix of its events, and the field of its text."""


@dataclass(slots=True)
class OpenItem:
    """An output item that has been added to the stream, and the text of its first part so far."""

    index: int
    item: Body
    text: str = ""
    parts: int = 0
    """Number of parts that have been added."""


@dataclass(slots=True)
class EventEncoder(ResponseEncoder):
    """Encodes the events of a search.

    An item stays open until the answer is complete, since more text of it may be decoded.
    """

    items: dict[str, OpenItem] = field(default_factory=dict)
    """By id, in the order in which they were added."""

    def encode_event(self, event: Event) -> Iterator[bytes]:
        """Text that is shown as it is decoded, and progress where the client requests it."""
        options = self.request.stream_options
        if isinstance(event, TextEmitted):
            if event.delta.text and sse.shows_text(self.plan) and not self.is_full():
                yield from self.encode_text(event.delta)
        elif options and options.include_progress:
            progress = to_progress(event, self.plan.served_model, text=options.include_progress == "text")
            yield from [self.encode("cogitate.progress", cogitate=progress)] if progress else []

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

    def encode_result(self, job: Job[Body]) -> Iterator[bytes]:
        yield from self.encode_end(
            self.stamp_end(render_response(self.request, self.plan, job.result(), cached=job.cached))
        )

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
    return {"logprobs": part["logprobs"]} if part["type"] == "output_text" else {}
