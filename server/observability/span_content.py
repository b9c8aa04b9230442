"""Prompts and answers on spans, in the JSON of OpenTelemetry's conventions, where the operator asks for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cogitate.server.observability import semconv
from cogitate.server.observability.span_record import Value
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.json import dumps
from cogitate.server.protocol.plain_body import PlainBody
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.types import Completion

MAX_TEXT_CHARACTERS = 8192
MAX_MESSAGES = 32
"""The last ones of a conversation. Many decodes have the same prompt, and each span repeats it."""
Part = dict[str, str]


@dataclass(slots=True)
class ContentWriter:
    """Writes the content of a search's decodes; a conversation that they share is encoded once."""

    _conversations: dict[int, list[dict[str, Any]]] = field(default_factory=dict)

    def describe(self, made: Completion) -> dict[str, Value]:
        """Return the attributes with a decode's prompt and text."""
        conversation = self._encode_prompt(made.prompt)
        if prefix := made.prompt.prefix:
            conversation = [*conversation, build_message("assistant", [text_part(prefix)])]
        reply = {**build_message("assistant", [text_part(made.text)]), "finish_reason": made.finish}
        return {semconv.INPUT_MESSAGES: encode(conversation), semconv.OUTPUT_MESSAGES: encode([reply])}

    def _encode_prompt(self, prompt: Prompt) -> list[dict[str, Any]]:
        key = id(prompt.messages)
        if key not in self._conversations:
            raw = prompt.raw if isinstance(prompt.raw, str) else None
            messages = [Message("user", raw)] if raw is not None else prompt.messages
            self._conversations[key] = [to_message(each.role, each.content) for each in messages[-MAX_MESSAGES:]]
        return self._conversations[key]


def describe_plain(plan: Plan, body: Mapping[str, Any] | None) -> dict[str, Value]:
    """Return the attributes with a plain request's messages, and its answers where they are not streamed."""
    request = plan.request
    fields = request.content if isinstance(request, PlainBody) else request.model_dump(mode="json", exclude_unset=True)
    attributes: dict[str, Value] = {}
    asked = next((fields[name] for name in ("messages", "prompt", "input") if name in fields), None)
    if isinstance(asked, str):
        attributes[semconv.INPUT_MESSAGES] = encode([to_message("user", asked)])
    elif isinstance(asked, list):
        messages = [each for each in asked if isinstance(each, dict)][-MAX_MESSAGES:]
        encoded = [to_message(str(each.get("role")), each.get("content")) for each in messages]
        attributes[semconv.INPUT_MESSAGES] = encode(encoded)
    if replies := [reply for choice in (body or {}).get("choices", ()) if (reply := to_reply(choice))]:
        attributes[semconv.OUTPUT_MESSAGES] = encode(replies)
    return attributes


def to_reply(choice: Mapping[str, Any]) -> dict[str, Any] | None:
    """Convert a choice of a chat or text completion; None for one of another shape."""
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    if not isinstance(text, str):
        return None
    return {**build_message("assistant", [text_part(text)]), "finish_reason": str(choice.get("finish_reason"))}


def to_message(role: str, content: object) -> dict[str, Any]:
    """Convert a message. Of parts that are no text, such as images, only the type is told."""
    if isinstance(content, str):
        return build_message(role, [text_part(content)])
    parts = [part for part in content if isinstance(part, Mapping)] if isinstance(content, Sequence) else []
    return build_message(role, [to_part(part) for part in parts[-MAX_MESSAGES:]])


def to_part(part: Mapping[str, Any]) -> Part:
    text = part.get("text")
    return text_part(text) if isinstance(text, str) else {"type": str(part.get("type"))[:64]}


def build_message(role: str, parts: list[Part]) -> dict[str, Any]:
    return {"role": role, "parts": parts}


def text_part(text: str) -> Part:
    return {"type": "text", "content": text[:MAX_TEXT_CHARACTERS]}


def encode(messages: list[dict[str, Any]]) -> str:
    return dumps(messages).decode()
