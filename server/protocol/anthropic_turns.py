"""Converts Anthropic's messages and tools to those of a chat, as vLLM's own Messages API does."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from cogitate.server.protocol.anthropic_blocks import (
    DocumentBlock,
    ImageBlock,
    InputMessage,
    TextBlock,
    ThinkingBlock,
    ToolReferenceBlock,
    ToolResultBlock,
    ToolUseBlock,
    join_instructions,
)
from cogitate.server.protocol.anthropic_options import CustomTool

JSON = Any
Message = dict[str, JSON]


def to_messages(system: str | Sequence[TextBlock] | None, turns: Iterable[InputMessage]) -> list[Message]:
    """Convert the turns, after one system message of all instructions.

    System turns amid the conversation are appended to it, since most chat templates take a system message only first.
    """
    turns = list(turns)
    instructions = [system if isinstance(system, str) else join_instructions(list(system or ()))]
    instructions += [join_instructions(turn.blocks) for turn in turns if turn.role == "system"]
    text = "\n\n".join(part for part in instructions if part)
    messages: list[Message] = [{"role": "system", "content": text}] if text else []
    for turn in turns:
        if turn.role == "user":
            messages += _to_user_messages(turn.blocks)
        elif turn.role == "assistant":
            messages.append(_to_assistant_message(turn.blocks))
    return messages


def has_open_turn(turns: Sequence[InputMessage]) -> bool:
    """Whether the conversation ends with text of the assistant, which the answer continues."""
    spoken = [turn for turn in turns if turn.role != "system"]
    if not spoken or spoken[-1].role != "assistant":
        return False
    return not any(isinstance(block, ToolUseBlock) for block in spoken[-1].blocks)


def to_tools(tools: Sequence[CustomTool], turns: Iterable[InputMessage]) -> list[JSON]:
    """Convert the tools that the model may use: all but the deferred ones that no turn refers to."""
    deferred = {tool.name for tool in tools if tool.defer_loading}
    if deferred:
        deferred -= {name for turn in turns for block in turn.blocks for name in _list_references(block)}
    return [tool.to_chat() for tool in tools if tool.name not in deferred]


def _list_references(block: object) -> list[str]:
    blocks = block.blocks if isinstance(block, ToolResultBlock) else [block]
    return [each.tool_name for each in blocks if isinstance(each, ToolReferenceBlock)]


def _to_user_messages(blocks: Iterable[object]) -> list[Message]:
    """Results of tools are messages of their own. Their images go to the user's, since templates show none in them."""
    messages: list[Message] = []
    parts: list[JSON] = []
    for block in blocks:
        if isinstance(block, ToolResultBlock):
            messages.append({"role": "tool", "tool_call_id": block.tool_use_id, "content": block.text})
            parts += [image.to_chat() for image in block.blocks if isinstance(image, ImageBlock)]
        elif isinstance(block, ImageBlock):
            parts.append(block.to_chat())
        elif isinstance(block, TextBlock | DocumentBlock) and block.text:
            parts.append({"type": "text", "text": block.text})
    if parts:
        messages.append({"role": "user", "content": parts[0]["text"] if _is_one_text(parts) else parts})
    elif not messages:
        messages.append({"role": "user", "content": ""})
    return messages


def _is_one_text(parts: Sequence[JSON]) -> bool:
    return len(parts) == 1 and parts[0]["type"] == "text"


def _to_assistant_message(blocks: Iterable[object]) -> Message:
    blocks = list(blocks)
    message: Message = {"role": "assistant"}
    if reasoning := "".join(block.text for block in blocks if isinstance(block, ThinkingBlock)):
        message["reasoning"] = reasoning
    if text := "".join(block.text for block in blocks if isinstance(block, TextBlock)):
        message["content"] = text
    if calls := [_to_call(block) for block in blocks if isinstance(block, ToolUseBlock)]:
        message["tool_calls"] = calls
    return message


def _to_call(block: ToolUseBlock) -> JSON:
    function = {"name": block.name, "arguments": orjson.dumps(block.input).decode()}
    return {"id": block.id, "type": "function", "function": function}
