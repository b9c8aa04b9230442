"""Converts input items to chat messages, and to the items that an upstream server of the Responses API accepts."""

from collections.abc import Iterable, Mapping
from typing import Any

from cogitate.server.protocol.messages import Text
from cogitate.server.protocol.responses_items import (
    FunctionCall,
    FunctionCallOutput,
    InputMessage,
    Item,
    OutputMessage,
    Parts,
    Reasoning,
)

JSON = Any
Message = dict[str, JSON]


def to_messages(items: Iterable[Item]) -> list[Message]:
    """Convert the items. Consecutive reasoning, text and calls become one message of the assistant."""
    turns: list[Message] = []
    for item in items:
        match item:
            case InputMessage():
                turns.append({"role": item.role, "content": _content(item.content)})
            case FunctionCallOutput():
                turns.append({"role": "tool", "tool_call_id": item.call_id, "content": _content(item.output)})
            case OutputMessage():
                _assistant_turn(turns, "content")["content"] = item.text
            case Reasoning() if item.text:
                turns.append({"role": "assistant", "reasoning": item.text})
            case FunctionCall():
                _assistant_turn(turns).setdefault("tool_calls", []).append(item.to_chat())
    return turns


def _assistant_turn(turns: list[Message], absent: str = "") -> Message:
    """The assistant's last message if it has no field `absent` yet, otherwise a new one."""
    if not turns or turns[-1]["role"] != "assistant" or absent in turns[-1]:
        turns.append({"role": "assistant"})
    return turns[-1]


def _content(content: Text | Parts) -> JSON:
    return content if isinstance(content, str) else [part.to_chat() for part in content]


def check_reasoning(items: list[Item]) -> list[Item]:
    """Raises ValueError for reasoning that no message or call follows: it would belong to no chat message."""
    for at, item in enumerate(items):
        following = items[at + 1] if at + 1 < len(items) else None
        if isinstance(item, Reasoning) and item.text and not isinstance(following, OutputMessage | FunctionCall):
            raise ValueError(f"the reasoning at {at} must be followed by a message or a function_call")
    return items


def to_upstream(items: Iterable[Item], context: Mapping[str, JSON] | None = None) -> list[Mapping[str, JSON]]:
    """Convert the items. Several text parts are joined into one, since some servers read only the first.

    `context`: None, or WITH_UNKNOWN_FIELDS.
    """
    return [_to_upstream_item(item, context) for item in items if not isinstance(item, Reasoning) or item.text]


def _to_upstream_item(item: Item, context: Mapping[str, JSON] | None) -> Mapping[str, JSON]:
    fields = item.model_dump(exclude_none=True, exclude_unset=True, context=context)
    match item:
        case InputMessage():
            return {**_drop(fields, "id", "status"), "type": "message"}
        case OutputMessage():
            part = {"type": "output_text", "text": item.text, "annotations": []}
            return {**fields, "type": "message", "content": [part]}
        case Reasoning():
            return {**fields, "summary": [], "content": [{"type": "reasoning_text", "text": item.text}]}
    return dict(fields)


def _drop(fields: Mapping[str, JSON], *names: str) -> Message:
    return {name: value for name, value in fields.items() if name not in names}
