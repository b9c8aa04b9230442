"""A chat message in OpenAI's form, from the forms that upstreams send.

Content may be a list of parts, some of which are thoughts (Mistral, Databricks, Anthropic behind gateways); thoughts
have a field of their own under several names; a tool call's arguments may be an object, and a call may have OpenAI's
older form `function_call`.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from cogitate.server.engine import Body
from cogitate.server.engine.remote.errors import UpstreamFailed
from cogitate.server.engine.remote.validate import as_dict, as_list, as_text

MAX_PART_DEPTH = 4
PART_TEXT_FIELDS = ("text", "thinking", "reasoning", "reasoning_content", "summary", "content")
THOUGHT_PART_TYPES = frozenset({"thinking", "reasoning", "thought", "redacted_thinking", "reasoning.text"})
REASONING_FIELDS = ("reasoning", "reasoning_content")
OTHER_REASONING_FIELDS = ("thinking", "thoughts", "reasoning_details")


def normalize_message(message: Body) -> Body:
    """Return a message, or the delta of one, in OpenAI's form. Raises UpstreamFailed for what is no text at all.

    The same object is returned where there is nothing to change, which is usual.
    """
    changes: Body = {}
    if not isinstance(message.get("content"), str | None):
        changes |= _split_content(message["content"], message)
    reasoning = changes.get("reasoning_content", message.get("reasoning_content"))
    if reasoning is None or not isinstance(reasoning, str):
        changes |= _find_reasoning(message)
    calls = message.get("tool_calls")
    if not calls and isinstance(message.get("function_call"), dict):
        calls = [{"function": message["function_call"]}]
    if calls:
        calls = [calls] if isinstance(calls, dict) else calls
        changes["tool_calls"] = [normalize_tool_call(call) for call in as_list(calls) if _has_content(call)]
    if tools := changes.pop("tool_use", None):
        changes["tool_calls"] = [*changes.get("tool_calls", ()), *tools]
    return message | changes if changes else message


def normalize_tool_call(call: Any) -> Body:  # noqa: ANN401 JSON
    """Return a tool call with its name and arguments under `function`, the arguments as text. Raises UpstreamFailed."""
    call = as_dict(call)
    source = call.get("function")
    function = source if isinstance(source, dict) else call
    return {
        **{name: value for name, value in call.items() if name in ("index", "id")},
        "type": "function",
        "function": {
            "name": as_text(function.get("name"), "a tool name"),
            "arguments": to_arguments(function.get("arguments", function.get("input"))),
        },
    }


def to_arguments(value: object) -> str:
    """Return a tool call's arguments as JSON text. Raises UpstreamFailed."""
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    return as_text(value, "arguments")


def flatten_text(value: object, depth: int = MAX_PART_DEPTH) -> str:
    """Return the text of a part, or of a list of parts, joined; empty where it has none."""
    if isinstance(value, str):
        return value
    if depth == 0 or not value:
        return ""
    if isinstance(value, list):
        return "".join(flatten_text(part, depth - 1) for part in value)
    part = as_dict(value)
    return next((text for name in PART_TEXT_FIELDS if (text := flatten_text(part.get(name), depth - 1))), "")


def _split_content(content: object, message: Mapping[str, Any]) -> Body:
    """Return content, thoughts, refusal and calls of a content that is a part or a list of parts."""
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise UpstreamFailed("returned content that is not a string")
    texts: list[str] = []
    thoughts: list[str] = []
    refusals: list[str] = []
    tools: list[Body] = []
    for part in content:
        kind = as_dict(part).get("type")
        if kind == "tool_use":
            tools.append(normalize_tool_call(part))
        elif kind == "refusal":
            refusals.append(as_text(part.get("refusal"), "a refusal"))
        else:
            (thoughts if is_thought(part) else texts).append(flatten_text(part))
    changes: Body = {"content": "".join(texts)}
    if any(thoughts) and not message.get("reasoning_content") and not message.get("reasoning"):
        changes["reasoning_content"] = "".join(thoughts)
    if any(refusals):
        changes["refusal"] = "".join(refusals)
    return changes | ({"tool_use": tools} if tools else {})


def is_thought(part: object) -> bool:
    """Whether a part of the content is a thought, by its type, or as Gemini marks it."""
    fields = as_dict(part)
    kind = fields.get("type")
    return (isinstance(kind, str) and kind in THOUGHT_PART_TYPES) or fields.get("thought") is True


def _find_reasoning(message: Mapping[str, Any]) -> Body:
    """Return the thoughts under OpenAI's common name, where the message has them in another form only."""
    if isinstance(message.get("reasoning"), str):
        return {}
    for name in (*REASONING_FIELDS, *OTHER_REASONING_FIELDS):
        if not (value := message.get(name)):
            continue
        if not isinstance(value, str | list | dict):
            raise UpstreamFailed("returned reasoning that is not a string")
        if text := flatten_text(value):
            return {"reasoning_content": text, "reasoning": None}
    return {name: None for name in REASONING_FIELDS if message.get(name) is not None}


def _has_content(call: object) -> bool:
    """Whether a tool call is more than a placeholder. Raises UpstreamFailed where it is no object."""
    if call is None:
        return False
    if not isinstance(call, dict):
        raise UpstreamFailed("returned a malformed tool call")
    function = as_dict(call.get("function")) or call
    return any(function.get(name) for name in ("name", "arguments", "input")) or bool(call.get("id"))
