"""Assembles a stream's chunks into the body of the same response without streaming."""

from dataclasses import dataclass, field
from typing import Any

from cogitate.server.engine import Body
from cogitate.server.engine.remote.dialects.choice import choice_index, is_raw_text, list_choices
from cogitate.server.engine.remote.dialects.finish_reason import later_reason, to_openai_name
from cogitate.server.engine.remote.dialects.message import REASONING_FIELDS, normalize_message
from cogitate.server.engine.remote.dialects.tool_deltas import ToolCallJoiner
from cogitate.server.engine.remote.dialects.usage import merge_usage
from cogitate.server.engine.remote.errors import Redact, UpstreamFailed, error_from_chunk
from cogitate.server.engine.remote.event_decoder import DONE
from cogitate.server.engine.remote.validate import as_dict, as_list, parse_json
from cogitate.strategies.core.types import TextDelta

TEXT_FIELDS = ("content", "reasoning", "reasoning_content", "refusal")


@dataclass(slots=True)
class StreamParser:
    """Assembles one choice, of a chat or of raw text, so that `parse` reads streamed and other bodies alike."""

    redact: Redact = str
    """Removes what a refusal repeats of the request."""
    is_done: bool = False
    """The upstream sent [DONE]."""
    usage: object = None
    logprobs: dict[str, list[Any]] = field(default_factory=dict)
    """In the upstream's format: lists by name, with one entry for each token."""
    text_chunks: int = 0
    """Chunks with text or a part of a tool call: each has at least a token."""
    _texts: dict[str, list[str]] = field(default_factory=dict)
    _tool_calls: ToolCallJoiner = field(default_factory=ToolCallJoiner)
    _choice: Body = field(default_factory=dict)
    _token_ids: list[Any] | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the upstream said that the response is complete. Some send no [DONE], some no finish reason."""
        return self.is_done or self.has_finish

    @property
    def has_finish(self) -> bool:
        return self._choice.get("finish_reason") is not None

    def feed(self, payload: bytes) -> tuple[TextDelta, ...]:
        """Add one event; return its text. Raises UpstreamFailed, or BadRequest for a refusal as the first event."""
        if payload == DONE:
            self.is_done = True
            return ()
        chunk = parse_json(payload)
        if chunk is None:
            return ()
        if error := find_error(chunk):
            has_begun = self._texts or self._tool_calls.calls
            raise error_from_chunk(None if has_begun else error, self.redact)
        choices = list_choices(chunk)
        if len(choices) > 1:
            raise UpstreamFailed("returned more choices than requested")
        self.usage = merge_usage(self.usage, find_usage(chunk, choices))
        return self._add_choice(choices[0]) if choices else ()

    def to_body(self) -> Body:
        """Return the body that the response so far would have without streaming."""
        reason = "length" if self.is_done else None  # An end without a reason may be one in the middle.
        choice = {"index": 0, "finish_reason": reason, **self._choice, "logprobs": self.logprobs or None}
        texts = {name: "".join(parts) for name, parts in self._texts.items()}
        if "text" in texts:
            choice["text"] = texts["text"]
        else:
            message: Body = {"role": "assistant", "content": None, **texts}
            if self._tool_calls.calls:
                message["tool_calls"] = self._tool_calls.to_bodies()
            choice["message"] = message
        if self._token_ids is not None:
            choice["token_ids"] = self._token_ids
        return {"choices": [choice], "usage": self.usage}

    def _add_choice(self, choice: Body) -> tuple[TextDelta, ...]:
        if choice_index(choice) != 0:
            raise UpstreamFailed("returned a choice that was not requested")
        self._add_fields(choice)
        if is_raw_text(choice):
            texts: Body = {"text": choice.get("text")}
        else:
            delta = choice.get("delta") or choice.get("message") or {}
            if not isinstance(delta, dict):
                raise UpstreamFailed("returned a malformed chunk")
            texts = normalize_delta(delta)
            for call in as_list(texts.pop("tool_calls", None)):
                self._tool_calls.add(call)
                self.text_chunks += 1
        added = tuple(part for name, text in texts.items() if (part := self._add_text(name, text)))
        self.text_chunks += bool(added)
        return added

    def _add_fields(self, choice: Body) -> None:
        """Add what a chunk reports beside its text."""
        if (reason := choice.get("finish_reason")) is not None:
            earlier = self._choice.get("finish_reason")
            if (name := later_reason(earlier, to_openai_name(reason))) is not None:
                self._choice["finish_reason"] = name
        if choice.get("stop_reason") is not None:
            self._choice["stop_reason"] = choice["stop_reason"]
        if isinstance(ids := choice.get("token_ids"), list):
            self._token_ids = (self._token_ids or []) + ids
        if isinstance(logprobs := choice.get("logprobs"), dict):
            for name, values in logprobs.items():
                if isinstance(values, list):
                    self.logprobs.setdefault(name, []).extend(values)

    def _add_text(self, name: str, text: object) -> TextDelta | None:
        if text is None:
            return None
        if not isinstance(text, str):
            raise UpstreamFailed(f"returned {name} that is not a string")
        self._texts.setdefault(name, []).append(text)
        return TextDelta(text, name in REASONING_FIELDS) if text and name != "refusal" else None


def normalize_delta(delta: Body) -> Body:
    """Return the texts of a delta by field, its reasoning under one name, and its tool calls."""
    calls = delta.get("tool_calls")
    if calls is not None and not isinstance(calls, list | dict):
        raise UpstreamFailed("returned a malformed tool call")
    message = normalize_message(delta if calls is None else delta | {"tool_calls": None, "function_call": None})
    texts = {name: message.get(name) for name in TEXT_FIELDS}
    if texts["reasoning"] and texts["reasoning_content"]:
        del texts["reasoning"]
    own = message.get("tool_calls") or ()
    return texts | {"tool_calls": [*([calls] if isinstance(calls, dict) else calls or ()), *own]}


def find_error(chunk: object) -> object:
    """Return the error that a chunk is; None where it is none. Raises UpstreamFailed where it is no object."""
    if not isinstance(chunk, dict):
        raise UpstreamFailed("returned a malformed chunk")
    if chunk.get("error"):
        return chunk["error"]
    is_error = chunk.get("object") == "error" or chunk.get("type") == "error"
    return chunk if is_error or ("detail" in chunk and "choices" not in chunk) else None


def find_usage(chunk: Body, choices: list[Body]) -> object:
    """Return the usage that a chunk reports: of its own, of its choice (Moonshot) or in Groq's extension."""
    if usage := chunk.get("usage"):
        return usage
    if choices and (usage := choices[0].get("usage")):
        return usage
    return as_dict(chunk.get("x_groq")).get("usage")
