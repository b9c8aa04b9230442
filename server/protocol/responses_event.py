"""Encodes the events of a Responses stream."""

from typing import Any

from cogitate.server.errors import ApiError
from cogitate.server.protocol.json import dumps

JSON = Any


def encode_event(kind: str, number: int, **fields: JSON) -> bytes:
    """`number`: sequence number of the event, from 0."""
    return (
        b"event: " + kind.encode() + b"\ndata: " + dumps({"type": kind, "sequence_number": number} | fields) + b"\n\n"
    )


def encode_error(error: ApiError, number: int) -> bytes:
    """Encode the event that ends a failed stream.

    It holds the error twice: in the fields of OpenAI's type of this event, and as an `error` object, without which the
    official clients take the event for an ordinary one and raise nothing.
    """
    return encode_event("error", number, code=error.code, message=error.message, param=error.param, **error.body)
