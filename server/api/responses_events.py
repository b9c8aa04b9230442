"""An answer told as the events of a Responses stream, from response.created to response.completed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cogitate.server.api import sse
from cogitate.server.api.responses_body import begun, reasoned, spoken, text_part
from cogitate.server.engine import Body
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.server.protocol.responses_event import encode_event
from cogitate.strategies.core.types import TextDelta

PARTS = {
    "output_text": ("response.output_text", "text"),
    "reasoning_text": ("response.reasoning_text", "text"),
    "refusal": ("response.refusal", "refusal"),
}
"""A part's events, and where its text stands."""


@dataclass(slots=True)
class Told:
    """An item that was begun: where it stands, and the text of its first part so far."""

    index: int
    item: Body
    said: str = ""
    parts: int = 0


@dataclass(slots=True)
class Telling:
    """One response's events, numbered. An item stays open until the answer is whole: speech may come back to it."""

    wire: ResponsesRequest
    plan: Plan
    number: int = 0
    told: dict[str, Told] = field(default_factory=dict)

    def event(self, kind: str, **fields: Any) -> bytes:  # noqa: ANN401 JSON
        self.number += 1
        return encode_event(kind, self.number - 1, **fields)

    def begin(self) -> Iterator[bytes]:
        response = begun(self.wire, self.plan)
        yield self.event("response.created", response=response)
        yield self.event("response.in_progress", response=response)

    def speak(self, speech: TextDelta) -> Iterator[bytes]:
        """Visible text as it is decoded: the message, or the reasoning where that is kept apart."""
        plan, status = self.plan, "in_progress"
        item = reasoned(plan, "", status) if sse.set_apart(plan, speech) else spoken(plan, [text_part("")], status)
        yield from self._add(item)
        told = self.told[item["id"]]
        yield from self._add_part(told, 0, item["content"][0])
        told.said += speech.text
        yield self._delta(told, 0, item["content"][0], speech.text)

    def finish(self, response: Body) -> Iterator[bytes]:
        """What is left to say of a whole response: the rest of its texts, its calls, its end."""
        response = response | {"output": self._reconciled(response)}
        for item in response["output"]:
            yield from self._add(item)
        for item in response["output"]:
            told = self.told[item["id"]]
            yield from self._call(told, item) if item["type"] == "function_call" else self._texts(told, item)
            yield self.event("response.output_item.done", output_index=told.index, item=item)
        yield self.event(f"response.{response['status']}", response=response)

    def _reconciled(self, response: Body) -> list[Body]:
        """The output in the order in which its items were begun, and with it what only the live speech held."""
        output = {item["id"]: item for item in response["output"]}
        for key, told in self.told.items():
            part = told.item["content"][0] | {"text": told.said}
            item = output.setdefault(key, told.item | {"content": [part], "status": response["status"]})
            if not item["content"] or item["content"][0]["type"] != part["type"]:
                item["content"] = [part, *item["content"]]
        return [output.pop(key) for key in self.told] + list(output.values())

    def _add(self, item: Body) -> Iterator[bytes]:
        if item["id"] in self.told:
            return
        self.told[item["id"]] = told = Told(len(self.told), item)
        empty: Body = {"arguments": ""} if item["type"] == "function_call" else {"content": []}
        added = item | empty | {"status": "in_progress"}
        yield self.event("response.output_item.added", output_index=told.index, item=added)

    def _add_part(self, told: Told, at: int, part: Body) -> Iterator[bytes]:
        if at == told.parts:
            told.parts += 1
            empty = part | {PARTS[part["type"]][1]: ""} | ({"logprobs": []} if "logprobs" in part else {})
            yield self.event("response.content_part.added", **_at(told, at), part=empty)

    def _texts(self, told: Told, item: Body) -> Iterator[bytes]:
        for at, part in enumerate(item["content"] or []):
            kind, key = PARTS[part["type"]]
            yield from self._add_part(told, at, part)
            if rest := sse.unsaid(part[key], told.said if at == 0 else ""):
                yield self._delta(told, at, part | {"logprobs": []} if told.said else part, rest)
            yield self.event(f"{kind}.done", **_at(told, at), **{key: part[key]}, **_odds(part))
            yield self.event("response.content_part.done", **_at(told, at), part=part)

    def _delta(self, told: Told, at: int, part: Body, text: str) -> bytes:
        return self.event(f"{PARTS[part['type']][0]}.delta", **_at(told, at), delta=text, **_odds(part))

    def _call(self, told: Told, item: Body) -> Iterator[bytes]:
        at = {"item_id": item["id"], "output_index": told.index}
        yield self.event("response.function_call_arguments.delta", **at, delta=item["arguments"])
        yield self.event("response.function_call_arguments.done", **at, name=item["name"], arguments=item["arguments"])


def _at(told: Told, part: int) -> Body:
    return {"item_id": told.item["id"], "output_index": told.index, "content_index": part}


def _odds(part: Body) -> Body:
    """A text's log-probabilities as events have them: without the bytes."""
    if part["type"] != "output_text":
        return {}
    return {
        "logprobs": [_one(token) | {"top_logprobs": [*map(_one, token["top_logprobs"])]} for token in part["logprobs"]]
    }


def _one(token: Body) -> Body:
    return {"token": token["token"], "logprob": token["logprob"]}
