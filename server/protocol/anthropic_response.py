"""Bodies of Anthropic's Messages API: the message, its content blocks, the events of its stream, a count of tokens.

The engine's own message is passed on as the engine wrote it. It may have fields that are not named here, so that all
models take further fields.
"""

from typing import Any, Literal

from pydantic import NonNegativeInt

from cogitate.server.protocol.chat_response import Answer
from cogitate.server.protocol.cogitate import Cogitate

StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"]


class ContentBlock(Answer):
    """`text`; `thinking` before it, where the engine or the strategy separates it; `tool_use` for each call."""

    type: Literal["text", "thinking", "tool_use"]
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    """Of a thinking block; opaque."""
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None


class MessageUsage(Answer):
    """Tokens of the whole request: under a strategy also those of dropped, aborted and verifying decodes."""

    input_tokens: NonNegativeInt
    """Tokens of the prompt that the engine's prefix cache did not hold."""
    output_tokens: NonNegativeInt
    cache_read_input_tokens: NonNegativeInt | None = None
    cache_creation_input_tokens: NonNegativeInt | None = None


class AppliedEdits(Answer):
    """What was done to the context. This server edits none."""

    applied_edits: list[dict[str, Any]] = []


class MessageObject(Answer):
    """The answer to a messages request that is not streamed."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[ContentBlock]
    stop_reason: StopReason | None = None
    stop_sequence: str | None = None
    usage: MessageUsage
    context_management: AppliedEdits | None = None
    """Present where the request has it."""
    cogitate: Cogitate | None = None
    """Present where a strategy answered."""


class MessageDelta(Answer):
    """What an event adds: to a block, or `stop_reason` to the message."""

    type: Literal["text_delta", "thinking_delta", "signature_delta", "input_json_delta"] | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    stop_reason: StopReason | None = None
    stop_sequence: str | None = None


class MessageEvent(Answer):
    """One event of a streamed message. `type` decides which of the other fields it has.

    | type                                        | fields                                                    |
    |---------------------------------------------|-----------------------------------------------------------|
    | `message_start`                             | `message`, without content                                |
    | `content_block_start`, `_delta`, `_stop`    | `index`; `content_block` or `delta`                       |
    | `message_delta`                             | `delta`, `usage`; `cogitate` where a strategy answered    |
    | `message_stop`, `ping`                      |                                                           |
    """

    type: Literal[
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
    ]
    message: MessageObject | None = None
    index: NonNegativeInt | None = None
    content_block: ContentBlock | None = None
    delta: MessageDelta | None = None
    usage: MessageUsage | None = None
    context_management: AppliedEdits | None = None
    cogitate: Cogitate | None = None


class OriginalTokens(Answer):
    original_input_tokens: NonNegativeInt


class TokenCount(Answer):
    """Tokens of the prompt as the model's chat template renders it, tools and a strategy's instruction included."""

    input_tokens: NonNegativeInt
    context_management: OriginalTokens | None = None
