"""Bodies of the Responses API: the `response` object, its output items, and the events of its stream.

The engine's own response is passed on as the engine wrote it. It may hold items, parts and fields that are not named
here, so that all models take further fields.
"""

from typing import Any, Literal

from pydantic import BaseModel, NonNegativeInt

from cogitate.server.protocol.chat_response import Answer
from cogitate.server.protocol.cogitate import Cogitate, Progress

ENDED = frozenset({"completed", "incomplete", "failed", "cancelled"})
"""States of a response that never change."""
ItemStatus = Literal["in_progress", "completed", "incomplete"]


class OutputTextLogprob(Answer):
    token: str
    logprob: float
    bytes: list[int] | None = None


class OutputTextToken(OutputTextLogprob):
    top_logprobs: list[OutputTextLogprob] = []


class OutputPart(Answer):
    """A part of an item: `output_text` and `reasoning_text` have a text, `refusal` a refusal."""

    type: str
    text: str | None = None
    refusal: str | None = None
    annotations: list[dict[str, Any]] | None = None
    logprobs: list[OutputTextToken] | None = None


class OutputItem(Answer):
    """An item of the output: a `message`, the `reasoning` before it, or a `function_call`."""

    id: str
    type: str
    status: ItemStatus | None = None
    role: Literal["assistant"] | None = None
    content: list[OutputPart] | None = None
    """Of a message or a reasoning."""
    summary: list[OutputPart] | None = None
    """Of a reasoning: always empty, since the reasoning itself is in `content`."""
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    """Of a function call, as JSON text."""


class InputTokensDetails(Answer):
    cached_tokens: NonNegativeInt
    cache_write_tokens: NonNegativeInt = 0


class OutputTokensDetails(Answer):
    reasoning_tokens: NonNegativeInt


class ResponseUsage(Answer):
    input_tokens: NonNegativeInt
    input_tokens_details: InputTokensDetails
    output_tokens: NonNegativeInt
    output_tokens_details: OutputTokensDetails
    total_tokens: NonNegativeInt


class IncompleteDetails(Answer):
    reason: str | None = None


class ResponseObject(Answer):
    """The answer to a Responses request. `store`: whether it is stored for an hour."""

    id: str
    object: Literal["response"]
    created_at: float
    """Seconds since 1970."""
    completed_at: float | None = None
    """Seconds since 1970; null unless the response is completed."""
    status: Literal["completed", "failed", "in_progress", "cancelled", "queued", "incomplete"]
    error: dict[str, Any] | None = None
    incomplete_details: IncompleteDetails | None = None
    model: str
    output: list[OutputItem]
    usage: ResponseUsage | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    instructions: Any = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] | None = None
    parallel_tool_calls: bool | None = None
    prompt_cache_key: str | None = None
    reasoning: dict[str, Any] | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    temperature: float | None = None
    text: dict[str, Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    tools: list[dict[str, Any]] = []
    top_logprobs: int | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    truncation: str | None = None
    user: str | None = None
    cogitate: Cogitate | None = None
    """Present where a strategy answered."""


class DeletedResponse(BaseModel):
    id: str
    object: Literal["response"] = "response"
    deleted: Literal[True] = True


class ResponseStreamEvent(Answer):
    """One event of a streamed response. `type` decides which of the other fields it has.

    | type                                             | fields                                                    |
    |--------------------------------------------------|-----------------------------------------------------------|
    | `response.created` ... `response.completed`      | `response`                                                |
    | `response.output_item.added`, `.done`            | `output_index`, `item`                                    |
    | `response.content_part.added`, `.done`           | `item_id`, `output_index`, `content_index`, `part`        |
    | `response.output_text.delta` (and other texts)   | the same, `delta`, `logprobs`                             |
    | `response.output_text.done` (and other texts)    | the same, `text` or `refusal`, `logprobs`                 |
    | `response.function_call_arguments.delta`, `.done`| `item_id`, `output_index`, `delta` or `name`, `arguments` |
    | `cogitate.progress`                              | `cogitate`: one event of the search                       |
    | `error`                                          | `code`, `message`, `param`, `error`: it ends the stream   |
    """

    type: str
    sequence_number: NonNegativeInt
    """Rises by one from event to event, from 0."""
    response: ResponseObject | None = None
    output_index: NonNegativeInt | None = None
    content_index: NonNegativeInt | None = None
    item_id: str | None = None
    item: OutputItem | None = None
    part: OutputPart | None = None
    delta: str | None = None
    text: str | None = None
    refusal: str | None = None
    name: str | None = None
    arguments: str | None = None
    logprobs: list[OutputTextToken] | None = None
    cogitate: Progress | None = None
    code: str | int | None = None
    message: str | None = None
    param: str | None = None
    error: dict[str, Any] | None = None
