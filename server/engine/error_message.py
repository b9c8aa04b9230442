"""Reads an engine's error messages, which state in prose what is wrong with a request."""

from cogitate.server.protocol.chat import ChatRequest

CONTEXT_LENGTH_PHRASES = (
    "maximum context length",
    "max_model_len",
    "longer than the maximum model length",
    "input_tokens",
    "context size",
    "context window",
    "context_length_exceeded",
)
"""Phrases, or error codes, of vLLM and of other OpenAI-compatible servers."""


def is_context_too_long(message: str) -> bool:
    """Whether the message says that the prompt does not fit the model's context."""
    return any(phrase in message for phrase in CONTEXT_LENGTH_PHRASES)


def find_field(message: str) -> str | None:
    """Return the request field that the message begins with, for engines that do not report it separately."""
    first = message.partition(" ")[0].strip("`'\":,.")
    return first if first in ChatRequest.model_fields else None
