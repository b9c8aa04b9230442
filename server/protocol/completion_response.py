"""Response bodies of raw completions: the object `text_completion`, both streamed and not."""

from typing import Literal

from pydantic import NonNegativeInt

from cogitate.server.protocol.chat_response import Answer, AnswerPart
from cogitate.server.protocol.error import ErrorResponse


class TextLogprobs(Answer):
    """Log-probabilities in the format of raw completions: parallel lists with one entry per token."""

    tokens: list[str] = []
    token_logprobs: list[float | None] = []
    top_logprobs: list[dict[str, float] | None] | None = None
    text_offset: list[int] = []


class TextChoice(Answer):
    index: NonNegativeInt
    text: str
    finish_reason: str | None = None
    logprobs: TextLogprobs | None = None


class TextCompletion(AnswerPart):
    """The response to a completion request, or one chunk of its stream."""

    object: Literal["text_completion"]
    choices: list[TextChoice]


TextStreamEvent = TextCompletion | ErrorResponse
"""The JSON of one `data:` line. An error ends the stream, and no `[DONE]` follows it."""
