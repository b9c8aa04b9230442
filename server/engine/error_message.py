"""Reads an engine's error messages, which state in prose what is wrong with a request."""

import re

from cogitate.server.errors import ContextTooLong
from cogitate.server.protocol.chat import ChatRequest

CONTEXT_LENGTH_PHRASES = (
    "maximum context length",
    "max_model_len",
    "longer than the maximum model length",
    "input_tokens",
    "context size",
    "context window",
    "context_length_exceeded",
    "tokens exceed the configured limit",
    "prompt is too long",
)
"""Phrases, or error codes, of vLLM, OpenAI, Anthropic and other OpenAI-compatible servers."""
FEWER_OUTPUT_TOKENS = "Please request fewer output tokens"
"""vLLM's remedy where max_tokens alone is above the context length, whatever the prompt."""
LIMIT = re.compile(r"(?:maximum context length (?:is |of )?|context size |configured limit of )\(?(\d{1,9})\b")
COUNT = re.compile(
    r"(?:resulted in |contains |[Ii]nput length |request )\(?((?:at least )?\d{1,9})(?: input| tokens|\))"
)
"""The context's length and the prompt's, both in tokens, in messages of vLLM, OpenAI and llama.cpp."""


def is_context_too_long(message: str) -> bool:
    """Whether the message says that the prompt does not fit the model's context."""
    return FEWER_OUTPUT_TOKENS not in message and any(phrase in message for phrase in CONTEXT_LENGTH_PHRASES)


def parse_context_error(reason: str, param: str) -> ContextTooLong:
    """Build the error for a prompt that an engine found too long, with the numbers of the engine's reason."""
    limit, count = LIMIT.search(reason), COUNT.search(reason)
    message = write_context_message(limit and limit[1], count and count[1])
    return ContextTooLong(message if limit and count else f"{message} {reason}", param=param)


def write_context_message(limit: object, count: object) -> str:
    """Write OpenAI's two wordings for a prompt of `count` tokens in a context of `limit`; None: unknown.

    Agents that shorten a conversation and try again know one or the other by its words, not by the code: LangChain's
    ContextOverflowError is raised for "Input tokens exceed the configured limit" in a 400, and for "exceeds the context
    window" in a stream.
    """
    of_limit = "" if limit is None else f" of {limit} tokens"
    resulted = "" if count is None else f" Your messages resulted in {count} tokens."
    length = "" if limit is None else f": this model's maximum context length is {limit} tokens"
    return (
        f"Input tokens exceed the configured limit{of_limit}.{resulted} Please reduce the length of the messages. "
        f"The prompt exceeds the context window{length}."
    )


def find_field(message: str) -> str | None:
    """Return the request field that the message begins with, for engines that do not report it separately."""
    first = message.partition(" ")[0].strip("`'\":,.")
    return first if first in ChatRequest.model_fields else None
