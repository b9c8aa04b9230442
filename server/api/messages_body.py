"""Builds the `message` object of Anthropic's API from a finished chat.completion."""

from collections.abc import Iterator
from typing import Any

import orjson
from pydantic_core import from_json

from cogitate.server.engine import Body
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.anthropic import MessagesRequest
from cogitate.server.protocol.anthropic_blocks import encode_omitted
from cogitate.server.serving.chat_response import relabel

NO_EDITS: Body = {"applied_edits": []}
"""The state of a context that is managed by the client alone."""


def render_message(request: MessagesRequest, plan: Plan, body: Body, *, cached: bool) -> Body:
    """Render the result of a job, a chat.completion, as a message."""
    return build_message(request, plan, relabel(plan, body, cached=cached))


def build_message(request: MessagesRequest, plan: Plan, body: Body) -> Body:
    """`body`: the chat.completion, of whose choices the first counts."""
    choice = body["choices"][0]
    message = choice["message"]
    calls = message.get("tool_calls") or []
    stop_reason, stop_sequence = to_stop_reason(choice.get("finish_reason"), choice.get("stop_reason"), calls)
    return build_initial_message(plan) | {
        "content": list(_build_blocks(request, plan, message, calls)) or [{"type": "text", "text": ""}],
        "stop_reason": stop_reason,
        "stop_sequence": stop_sequence,
        "usage": build_usage(body.get("usage")),
        **build_extras(request, body.get("cogitate")),
    }


def build_initial_message(plan: Plan) -> Body:
    """Build a message that has no answer yet."""
    return {
        "id": f"msg_{plan.number}",
        "type": "message",
        "role": "assistant",
        "model": plan.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": build_usage(None),
    }


def build_extras(request: MessagesRequest, cogitate: Body | None) -> Body:
    """Build the fields of a message that only some requests get."""
    managed = {"context_management": NO_EDITS} if request.context_management else {}
    return managed | ({"cogitate": cogitate} if cogitate else {})


def build_usage(usage: Body | None) -> Body:
    """Build the usage. Anthropic counts the tokens of the prompt that were cached apart from the others."""
    if not usage:
        return {"input_tokens": 0, "output_tokens": 0}
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return {
        "input_tokens": max(0, usage["prompt_tokens"] - cached),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": usage.get("completion_tokens") or 0,
    }


def to_stop_reason(finish: str | None, stop: object, calls: list[Body]) -> tuple[str, str | None]:
    """Convert a finish reason to Anthropic's, with the stop sequence that ended the text.

    `stop`: vLLM's stop_reason; other engines do not tell which stop string ended a text. A call that a stop string cut
    short must not run, so that it counts as a text that the string ended.
    """
    if finish == "length":
        return "max_tokens", None
    if finish == "content_filter":
        return "refusal", None
    if isinstance(stop, str) and not (calls and _is_complete(calls[-1])):
        return "stop_sequence", stop
    return ("tool_use" if calls else "end_turn"), None


def build_signature(request: MessagesRequest, plan: Plan, thinking: str) -> str:
    """Build the signature of a thinking block. It is checked by nobody, but Anthropic's clients need one."""
    return encode_omitted(thinking) if request.omits_thinking else plan.number


def to_text(content: Any) -> str:  # noqa: ANN401 an upstream's content may be a list of parts
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def parse_input(arguments: Any) -> Body:  # noqa: ANN401 the model's
    """Parse the arguments of a call. Of text that was cut off the complete part counts; no object is an empty one."""
    try:
        value = from_json(arguments or "{}", allow_partial=True)
    except (ValueError, TypeError):
        return {}
    return value if isinstance(value, dict) else {}


def _build_blocks(request: MessagesRequest, plan: Plan, message: Body, calls: list[Body]) -> Iterator[Body]:
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if reasoning and request.shows_thinking:
        text = "" if request.omits_thinking else reasoning
        yield {"type": "thinking", "thinking": text, "signature": build_signature(request, plan, reasoning)}
    if text := to_text(message.get("content")) or message.get("refusal"):
        yield {"type": "text", "text": text}
    for call in calls:
        function = call["function"]
        yield {
            "type": "tool_use",
            "id": call["id"],
            "name": function["name"],
            "input": parse_input(function["arguments"]),
        }


def _is_complete(call: Body) -> bool:
    try:
        orjson.loads(call["function"].get("arguments") or "{}")
    except orjson.JSONDecodeError:
        return False
    return True
