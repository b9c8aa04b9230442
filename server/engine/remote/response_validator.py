"""Validates the responses that are passed through, and renames their model.

They are passed on as they come, with whatever an upstream adds or leaves out. What is no answer to the request is
refused: an error, another number of choices, a choice that was not requested, a stream without an end.
"""

from dataclasses import dataclass, field
from typing import Protocol

import orjson

from cogitate.server.engine import Body
from cogitate.server.engine.remote.dialects.choice import choice_index, list_choices
from cogitate.server.engine.remote.dialects.finish_reason import to_openai_name
from cogitate.server.engine.remote.errors import INCOMPLETE_STREAM, Redact, UpstreamFailed, error_from_chunk
from cogitate.server.engine.remote.event_decoder import DONE
from cogitate.server.engine.remote.stream_parser import find_error
from cogitate.server.engine.remote.validate import as_dict, is_relaxed, parse_json
from cogitate.server.protocol.completion import AnyRequest

DONE_EVENT = "data: [DONE]\n\n"


class ResponseValidator(Protocol):
    """Validates the response to one request, and renames its model. All methods raise UpstreamFailed."""

    is_complete: bool
    """The stream's final event has come."""
    usage: Body | None
    """The stream's usage, where the upstream has told it."""

    @property
    def is_cut_off(self) -> bool:
        """Whether the stream's final event has come, but not why it ended."""

    def validate_body(self, payload: object) -> Body:
        """Return a response that is not streamed, under this server's model name."""

    def validate_event(self, payload: bytes) -> str | None:
        """Return the event to send in place of the upstream's; None: none."""

    def validate_end(self) -> str | None:
        """Return the final event of a stream that has ended without one."""


@dataclass(slots=True)
class ChatValidator:
    """Validates chat completions and raw completions."""

    request: AnyRequest
    model_name: str
    redact: Redact = str
    """Removes what a refusal repeats of the request."""
    is_complete: bool = False
    usage: Body | None = None
    _begun: set[int] = field(default_factory=set)
    _finished: set[int] = field(default_factory=set)

    @property
    def choice_count(self) -> int:
        return (self.request.n or 1) * self.request.width

    @property
    def hides_usage(self) -> bool:
        """Whether the client did not ask for the chunk with the stream's usage."""
        options = self.request.stream_options
        return not (options and options.include_usage)

    @property
    def is_cut_off(self) -> bool:
        return self.is_complete and len(self._finished) < self.choice_count

    def validate_body(self, payload: object) -> Body:
        body = as_dict(payload)
        if body.get("error") or not body.get("choices"):
            raise UpstreamFailed("returned an error in place of a response")
        if len(list_choices(body)) != self.choice_count:
            raise UpstreamFailed("returned another number of choices than requested")
        return body | {"model": self.model_name}

    def validate_event(self, payload: bytes) -> str | None:
        if payload == DONE:
            if len(self._begun) < self.choice_count:
                raise UpstreamFailed(INCOMPLETE_STREAM)
            self.is_complete = True
            return DONE_EVENT
        parsed = parse_json(payload)
        if parsed is None:
            return None
        chunk = self._validate_chunk(parsed)
        if "choices" not in chunk or (self.hides_usage and not chunk["choices"] and chunk.get("usage")):
            return None  # A sign of life, such as Anthropic's ping; or the usage, for which only this server asked.
        if chunk is parsed and chunk.get("model") == self.model_name and is_one_line(payload):
            return f"data: {payload.decode()}\n\n"
        return f"data: {orjson.dumps(chunk | {'model': self.model_name}).decode()}\n\n"

    def validate_end(self) -> str | None:
        if self.is_complete:
            return None
        if len(self._finished) < self.choice_count:
            raise UpstreamFailed(INCOMPLETE_STREAM)
        return self.validate_event(DONE)

    def _validate_chunk(self, chunk: object) -> Body:
        if error := find_error(chunk):
            raise error_from_chunk(None if self._begun else error, self.redact)
        body = as_dict(chunk)
        if isinstance(usage := body.get("usage"), dict):
            self.usage = usage
        for at, choice in enumerate(choices := list_choices(body)):
            index = choice_index(choice, default=at)
            if index >= self.choice_count:
                raise UpstreamFailed("returned a choice that was not requested")
            self._begun.add(index)
            if to_openai_name(choice.get("finish_reason")) is not None:
                self._finished.add(index)
        if len(choices) > self.choice_count:
            raise UpstreamFailed("returned more choices than requested")
        return to_chunk(body, choices) if any(map(is_unstreamed, choices)) else body


def is_one_line(payload: bytes) -> bool:
    """Whether an event can be passed on as it is: strict JSON, without ends of lines."""
    return not (b"\n" in payload or b"\r" in payload or is_relaxed(payload))


def is_unstreamed(choice: Body) -> bool:
    """Whether a choice has a message in place of a delta."""
    return "delta" not in choice and isinstance(choice.get("message"), dict)


def to_chunk(body: Body, choices: list[Body]) -> Body:
    """Return a response that was not streamed, although that was requested, as a chunk."""
    deltas = []
    for choice in choices:
        delta = as_dict(choice.get("message"))
        if calls := delta.get("tool_calls"):
            delta = delta | {"tool_calls": [{"index": at, **as_dict(call)} for at, call in enumerate(calls)]}
        deltas.append({name: value for name, value in choice.items() if name != "message"} | {"delta": delta})
    return body | {"object": "chat.completion.chunk", "choices": deltas}


@dataclass(slots=True)
class ResponsesValidator:
    """Validates responses of the Responses API."""

    model_name: str
    is_complete: bool = False
    usage: Body | None = None

    @property
    def is_cut_off(self) -> bool:
        return False

    def validate_body(self, payload: object) -> Body:
        body = as_dict(payload)
        if body.get("error") or body.get("object") != "response" or not isinstance(body.get("output"), list):
            raise UpstreamFailed("returned an error in place of a response")
        return body | {"model": self.model_name}

    def validate_event(self, payload: bytes) -> str | None:
        if payload == DONE or (parsed := parse_json(payload)) is None:
            return None
        event = as_dict(parsed)
        kind = event.get("type")
        if not isinstance(kind, str) or not kind.replace("_", "").replace(".", "").isalnum():
            raise UpstreamFailed("returned a malformed event")
        if kind in ("error", "response.failed"):
            raise error_from_chunk(None)
        if isinstance(response := event.get("response"), dict):
            event["response"] = response | {"model": self.model_name}
            if isinstance(usage := response.get("usage"), dict):
                self.usage = usage
        self.is_complete = kind in ("response.completed", "response.incomplete")
        return f"event: {kind}\ndata: {orjson.dumps(event).decode()}\n\n"

    def validate_end(self) -> str | None:
        if not self.is_complete:
            raise UpstreamFailed(INCOMPLETE_STREAM)
        return None
