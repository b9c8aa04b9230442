"""Bodies of chat answers: `chat.completion` and `chat.completion.chunk`, with the `cogitate` object.

Only the fields that this server or its evaluation reads are typed. An engine may add its own, so that every model takes
further fields; the answer to a request without a strategy is passed on as the engine wrote it and never goes through
these models.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

from cogitate.server.protocol.cogitate import Cogitate, Progress
from cogitate.server.protocol.error import ErrorResponse


class Answer(BaseModel):
    """Base of all response bodies: fields that an engine adds are kept."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)


class PromptTokensDetails(Answer):
    cached_tokens: NonNegativeInt | None = None
    """Tokens of the prompt that the engine's prefix cache held."""


class Usage(Answer):
    """Tokens of the whole request: under a strategy also those of dropped, aborted and verifying decodes."""

    prompt_tokens: NonNegativeInt
    completion_tokens: NonNegativeInt = 0
    total_tokens: NonNegativeInt
    prompt_tokens_details: PromptTokensDetails | None = None


class AnswerHead(Answer):
    """What every answer, and every chunk of one, begins with."""

    id: str
    created: int
    """Seconds since 1970."""
    model: str


class AnswerPart(AnswerHead):
    """What a chunk has, and a text completion, which is the same object streamed and not."""

    usage: Usage | None = None
    cogitate: Cogitate | Progress | None = None
    """In the last chunk of a choice the search's result; in a progress chunk one event of the search."""


class TopLogprob(Answer):
    token: str
    logprob: float
    bytes: list[int] | None = None


class TokenLogprob(TopLogprob):
    top_logprobs: list[TopLogprob] = []


class Logprobs(Answer):
    content: list[TokenLogprob] | None = None


class FunctionCall(Answer):
    name: str | None = None
    arguments: str | None = None


class ToolCall(Answer):
    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class AnswerMessage(Answer):
    role: Literal["assistant"] = "assistant"
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    """The reasoning, where the engine's parser or `strategy.reasoning` separates it from the content."""
    reasoning: str | None = None
    """The same text under vLLM's newer name."""
    tool_calls: list[ToolCall] | None = None


class Choice(Answer):
    index: NonNegativeInt = 0
    message: AnswerMessage
    finish_reason: str | None
    logprobs: Logprobs | None = None


class ChatCompletion(AnswerHead):
    """The answer to a chat request that is not streamed."""

    object: Literal["chat.completion"]
    choices: Annotated[list[Choice], Field(min_length=1)]
    usage: Usage
    cogitate: Cogitate | None = None
    """Present where a strategy answered."""

    @property
    def text(self) -> str:
        """Content of the first choice; empty where it has none."""
        return self.choices[0].message.content or ""


class ToolCallDelta(Answer):
    index: NonNegativeInt
    id: str | None = None
    type: Literal["function"] | None = None
    function: FunctionCall | None = None


class Delta(Answer):
    """What a chunk adds to the message."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCallDelta] | None = None


class ChunkChoice(Answer):
    index: NonNegativeInt
    delta: Delta
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class ChatCompletionChunk(AnswerPart):
    """One event of a streamed answer."""

    object: Literal["chat.completion.chunk"]
    choices: list[ChunkChoice]
    """Empty in the chunk that reports the usage."""


ChatStreamEvent = ChatCompletionChunk | ErrorResponse
"""The JSON of one `data:` line. An error ends the stream, and no `[DONE]` follows it."""
