"""One event of a Responses stream, as bytes."""

from typing import Any

from cogitate.server.errors import ApiError
from cogitate.server.protocol.json import dumps

JSON = Any


def encode_event(kind: str, number: int, **told: JSON) -> bytes:
    """`number` rises by one from event to event, from 0."""
    return b"event: " + kind.encode() + b"\ndata: " + dumps({"type": kind, "sequence_number": number} | told) + b"\n\n"


def encode_error(error: ApiError, number: int) -> bytes:
    """The last event where there is no answer.

    The error stands there twice: as OpenAI's type of this event has it, and as an `error` object, without which the
    official clients take the event for an ordinary one and end quietly.
    """
    return encode_event("error", number, code=error.code, message=error.message, param=error.param, **error.body)
