"""Which field an engine's complaint is about, where the engine does not say so apart."""

from cogitate.server.protocol.chat import ChatRequest


def named(message: str) -> str | None:
    """The field that the message begins with."""
    first = message.partition(" ")[0].strip("`'\":,.")
    return first if first in ChatRequest.model_fields else None
