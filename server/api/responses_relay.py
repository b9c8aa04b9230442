"""Events of a response by the engine alone: its own, with the fields that it leaves out of the response."""

from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from cogitate.server.api.responses_encoder import ResponseEncoder
from cogitate.server.api.responses_fields import complete_item, complete_part, complete_response
from cogitate.server.engine import Body
from cogitate.server.errors import UpstreamError
from cogitate.server.serving.job import Job

LOST = "The engine lost this request."
POSITION = ("type", "item_id", "output_index", "content_index")
"""Fields that two deltas of the same text share."""


@dataclass(slots=True)
class RelayEncoder(ResponseEncoder):
    """Passes the engine's events on as they are numbered."""

    def encode_start(self) -> Iterator[bytes]:
        """Nothing: the engine sends its own."""
        yield from ()

    def encode_event(self, event: str) -> Iterator[bytes]:
        kind, data = split_event(event)
        if not kind or kind.endswith(".delta"):
            self.number += 1
            yield event.encode()
        else:
            fields = self._complete(orjson.loads(data))
            self.number = fields.pop("sequence_number", self.number)
            yield self.encode(kind, **fields)

    def encode_result(self, job: Job[Body]) -> Iterator[bytes]:
        """Nothing: the engine has sent it."""
        yield from ()

    def _complete(self, event: Body) -> Body:
        """Add absent fields to the response, the item or the part of an event, and take its type out."""
        completions = {"response": self._complete_response, "item": complete_item, "part": complete_part}
        completed = {name: complete(event[name]) for name, complete in completions.items() if event.get(name)}
        return {name: value for name, value in (event | completed).items() if name != "type"}

    def _complete_response(self, response: Body) -> Body:
        return self.stamp_end(complete_response(self.request, self.plan, response))


@dataclass(slots=True)
class BackgroundRelayEncoder(RelayEncoder):
    """Numbers the engine's events anew, after those of the wait for a turn."""

    pending: Body | None = None
    """Text that was kept back, as one event."""

    def encode_start(self) -> Iterator[bytes]:
        yield from ResponseEncoder.encode_start(self)

    def encode_event(self, event: str) -> Iterator[bytes]:
        kind, data = split_event(event)
        if not kind or kind in ("response.created", "response.queued", "response.in_progress"):
            return
        fields = orjson.loads(data)
        if kind == "error":
            yield from self.encode_failure(UpstreamError(LOST))
        elif kind.endswith(".delta") and self.is_full():
            yield from self._hold(fields)
        else:
            yield from self._flush()
            yield self._encode(fields)

    def encode_result(self, job: Job[Body]) -> Iterator[bytes]:
        """A failure where the engine's stream had no end."""
        if not self.has_ended:
            yield from self.encode_failure(UpstreamError(LOST))

    def _hold(self, delta: Body) -> Iterator[bytes]:
        if self.pending and all(self.pending.get(name) == delta.get(name) for name in POSITION):
            delta = delta | {"delta": self.pending["delta"] + delta["delta"]}
        else:
            yield from self._flush()
        self.pending = delta

    def _flush(self) -> Iterator[bytes]:
        if self.pending:
            pending, self.pending = self.pending, None
            yield self._encode(pending)

    def _encode(self, event: Body) -> bytes:
        fields = self._complete(event)
        fields.pop("sequence_number", None)
        return self.encode(event["type"], **fields)


def split_event(event: str) -> tuple[str, str]:
    """Return the type and the JSON of a server-sent event; empty for a comment."""
    head, _, data = event.partition("\ndata: ")
    return (head.removeprefix("event: "), data) if data else ("", "")
