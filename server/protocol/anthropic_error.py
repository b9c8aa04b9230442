"""Anthropic's error envelope, with this server's errors in Anthropic's types, field names and phrases."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from cogitate.server.errors import ContextTooLong

TYPES_BY_STATUS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
}
TYPES = {"server_error": "api_error", "service_unavailable": "overloaded_error"}
"""Type in OpenAI's envelope -> Anthropic's, where they differ."""
FIELD_NAMES = {
    "stop": "stop_sequences",
    "max_completion_tokens": "max_tokens",
    "response_format": "output_config.format",
    "reasoning_effort": "output_config.effort",
    "thinking_token_budget": "thinking.budget_tokens",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "add_generation_prompt": "messages",
    "continue_final_message": "messages",
}
"""Field of a chat request -> the field that the client sent."""
CHAT_NAMES = re.compile(rf"\b({'|'.join(name for name in FIELD_NAMES if name != 'stop')})\b")
INPUT_TOKENS = re.compile(r"(\d+) input tokens|prompt has (\d+)|(\d+) in the messages|resulted in (\d+)")
OUTPUT_TOKENS = re.compile(r"(\d+) output tokens|(\d+) in the completion")
CONTEXT_TOKENS = re.compile(r"(?:context length is|configured limit of) (\d+)")


class AnthropicErrorDetail(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    type: str
    message: str
    param: str | None = None
    """The field of the request that is wrong, as a dotted path; absent where it is none."""
    code: str | int | None = None


class AnthropicError(BaseModel):
    """Body of every response with a status of 400 or above, and of the event that ends a failed stream."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    type: Literal["error"]
    error: AnthropicErrorDetail
    request_id: str | None = None


def build_error(body: Mapping[str, Any], request_id: str, status: int | None = None) -> dict[str, object]:
    """Convert an error in OpenAI's envelope. `status`: None in a stream, where the type alone tells."""
    error = body["error"]
    param, message = error.get("param"), str(error["message"])
    if error.get("code") == ContextTooLong.code:
        message = phrase_context_error(message)
    elif error.get("code") != "unknown_parameter":
        param, message = rename_fields(param, message)
    kind = TYPES_BY_STATUS.get(status or 0) or TYPES.get(error["type"], error["type"])
    named = {"param": param, "code": error.get("code")}
    detail = {"type": kind, "message": message, **{name: value for name, value in named.items() if value is not None}}
    return {"type": "error", "error": detail, "request_id": request_id}


def rename_fields(param: str | None, message: str) -> tuple[str | None, str]:
    """Replace the chat request's names of fields by those that the client sent."""
    name = FIELD_NAMES.get((param or "").partition(".")[0])
    if name is not None and message.startswith(f"{param} "):
        message = name + message.removeprefix(str(param))
    message = message.replace(f"'{param}'", f"'{name or param}'")
    return name or param, CHAT_NAMES.sub(lambda match: FIELD_NAMES[match[0]], message)


def phrase_context_error(message: str) -> str:
    """Say in Anthropic's words that the context is too long.

    Claude Code looks for both phrases: for the first it shortens max_tokens, for the second it compacts the
    conversation.
    """
    prompt, output, limit = (_find_number(each, message) for each in (INPUT_TOKENS, OUTPUT_TOKENS, CONTEXT_TOKENS))
    if prompt and output and limit and prompt < limit:
        return f"input length and `max_tokens` exceed context limit: {prompt} + {output} > {limit}, lower max_tokens"
    if prompt and limit:
        return f"prompt is too long: {prompt} tokens > {limit} maximum"
    return f"prompt is too long: {message}"


def _find_number(pattern: re.Pattern[str], message: str) -> int:
    found = pattern.search(message)
    return int(next(group for group in found.groups() if group)[:18]) if found else 0
