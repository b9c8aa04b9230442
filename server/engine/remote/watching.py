"""What a plain answer must be to be passed on, whole or as a stream: for chats and completions, and for responses."""

from dataclasses import dataclass

import orjson

from cogitate.server.engine import Body
from cogitate.server.engine.remote.errors import Lost, reported
from cogitate.server.engine.remote.events import DONE
from cogitate.server.engine.remote.parse import usage
from cogitate.server.engine.remote.reply import parsed
from cogitate.server.engine.remote.validate import is_count, mapping
from cogitate.server.protocol.chat import AnyRequest

BROKEN_OFF = "ended its stream before the answer was complete"


@dataclass(slots=True)
class ChatWatch:
    request: AnyRequest
    served: str
    complete: bool = False
    _ended: int = 0
    """Choices that have their finish reason."""

    @property
    def wanted(self) -> int:
        return (self.request.n or 1) * self.request.width

    def whole(self, said: object) -> Body:
        body = mapping(said)
        choices = body.get("choices")
        if body.get("error") or not isinstance(choices, list):
            raise Lost("reported an error in place of an answer")
        if len(choices) != self.wanted or not all(isinstance(choice, dict) for choice in choices):
            raise Lost("did not send the answers that were asked for")
        usage(body.get("usage"), None if self.request.limit is None else self.request.limit * self.wanted)
        return body | {"model": self.served}

    def event(self, payload: bytes) -> str:
        if payload == DONE:
            if self._ended < self.wanted:
                raise Lost(BROKEN_OFF)
            self.complete = True
            return "data: [DONE]\n\n"
        chunk = self._chunk(payload)
        if chunk.get("model") == self.served:
            return f"data: {payload.decode()}\n\n"
        return f"data: {orjson.dumps(chunk | {'model': self.served}).decode()}\n\n"

    def _chunk(self, payload: bytes) -> Body:
        chunk: Body = mapping(parsed(payload))
        if not chunk or chunk.get("error"):
            raise reported(chunk.get("error"))
        choices = chunk.get("choices", [])
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise Lost("sent a chunk that is none")
        if any(choice.get("index", 0) not in range(self.wanted) for choice in choices):
            raise Lost("sent an answer that was not asked for")
        self._ended += sum(choice.get("finish_reason") is not None for choice in choices)
        if max(self._ended, len(choices)) > self.wanted:
            raise Lost("sent more answers than were asked for")
        usage(chunk.get("usage"), None)
        return chunk


@dataclass(slots=True)
class ResponsesWatch:
    served: str
    complete: bool = False

    def whole(self, said: object) -> Body:
        body = mapping(said)
        if body.get("error") or body.get("object") != "response" or not isinstance(body.get("output"), list):
            raise Lost("reported an error in place of an answer")
        counted(body.get("usage"))
        return body | {"model": self.served}

    def event(self, payload: bytes) -> str | None:
        if payload == DONE:
            return None
        event = mapping(parsed(payload))
        kind = event.get("type")
        if not isinstance(kind, str) or not kind.replace("_", "").replace(".", "").isalnum():
            raise Lost("sent an event that is none")
        if kind in ("error", "response.failed"):
            raise Lost("reported an error amid its answer")
        if isinstance(response := event.get("response"), dict):
            counted(response.get("usage"))
            event["response"] = response | {"model": self.served}
        self.complete = kind in ("response.completed", "response.incomplete")
        return f"event: {kind}\ndata: {orjson.dumps(event).decode()}\n\n"


def counted(said: object) -> None:
    """Raises Lost for a usage that cannot be."""
    counts = mapping(said)
    if said is not None and not (is_count(counts.get("input_tokens")) and is_count(counts.get("output_tokens"))):
        raise Lost("counted tokens that cannot be")
