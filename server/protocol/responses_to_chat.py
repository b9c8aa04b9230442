"""Input items, written in two ways: as the messages of a chat, and as another server of this API takes them."""

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
    """Reasoning, text and calls that follow one another are one turn of the assistant's."""
    turns: list[Message] = []
    for item in items:
        match item:
            case InputMessage():
                turns.append({"role": item.role, "content": _content(item.content)})
            case FunctionCallOutput():
                turns.append({"role": "tool", "tool_call_id": item.call_id, "content": _content(item.output)})
            case OutputMessage():
                _assistants(turns, "content")["content"] = item.text
            case Reasoning() if item.text:
                turns.append({"role": "assistant", "reasoning": item.text})
            case FunctionCall():
                _assistants(turns).setdefault("tool_calls", []).append(item.to_chat())
    return turns


def _assistants(turns: list[Message], unsaid: str = "") -> Message:
    """The assistant's turn under way, or a new one where there is none that may still say `unsaid`."""
    if not turns or turns[-1]["role"] != "assistant" or unsaid in turns[-1]:
        turns.append({"role": "assistant"})
    return turns[-1]


def _content(content: Text | Parts) -> JSON:
    return content if isinstance(content, str) else [part.to_chat() for part in content]


def check_reasoning(items: list[Item]) -> list[Item]:
    """Raises ValueError for reasoning that led to nothing the assistant said or did: no message could carry it."""
    for at, item in enumerate(items):
        following = items[at + 1] if at + 1 < len(items) else None
        if isinstance(item, Reasoning) and item.text and not isinstance(following, OutputMessage | FunctionCall):
            raise ValueError(f"the reasoning at {at} is not followed by what it led to")
    return items


def to_upstream(items: Iterable[Item]) -> list[Mapping[str, JSON]]:
    """What several parts say is put into one: servers there are that read only the first."""
    return [_written(item) for item in items if not isinstance(item, Reasoning) or item.text]


def _written(item: Item) -> Mapping[str, JSON]:
    wire = item.model_dump(exclude_none=True, exclude_unset=True)
    match item:
        case InputMessage():
            return {"type": "message", "role": item.role, "content": wire["content"]}
        case OutputMessage():
            part = {"type": "output_text", "text": item.text, "annotations": []}
            return {**wire, "type": "message", "content": [part]}
        case Reasoning():
            return {**wire, "summary": [], "content": [{"type": "reasoning_text", "text": item.text}]}
    return dict(wire)
