"""Parses Server-Sent Events, and assembles a stream's chunks into the body of the same response without streaming."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cogitate.server.engine import Body
from cogitate.server.engine.remote.errors import UpstreamFailed, error_from_chunk
from cogitate.server.engine.remote.validate import parse_json
from cogitate.strategies.core.types import TextDelta

DONE = b"[DONE]"
MAX_LINE_BYTES = 4 * 1024 * 1024
MAX_TOOL_CALLS = 128
TEXT_FIELDS = ("content", "reasoning", "reasoning_content", "refusal")


@dataclass(slots=True)
class EventDecoder:
    """Splits chunks of a stream into the payloads of its `data:` lines; buffers an incomplete line."""

    _incomplete: bytes = b""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Return the payloads that `chunk` completes. Raises UpstreamFailed for a line over MAX_LINE_BYTES."""
        *lines, self._incomplete = (self._incomplete + chunk).split(b"\n")
        if len(self._incomplete) > MAX_LINE_BYTES:
            raise UpstreamFailed("returned a line over the size limit")
        return _data_payloads(lines)


def decode_events(stream: bytes) -> list[bytes]:
    """Return the payloads of all complete lines."""
    return list(_data_payloads(stream.split(b"\n")[:-1]))


def _data_payloads(lines: list[bytes]) -> Iterator[bytes]:
    for line in lines:
        if line.startswith(b"data:"):
            yield line[5:].strip()


@dataclass(slots=True)
class StreamParser:
    """Assembles one choice, of a chat or of raw text, so that `parse` reads streamed and other bodies alike."""

    is_done: bool = False
    """The upstream sent [DONE]."""
    usage: object = None
    logprobs: dict[str, list[Any]] = field(default_factory=dict)
    """In the upstream's format: lists by name, with one entry for each token."""
    _texts: dict[str, list[str]] = field(default_factory=dict)
    _tool_calls: dict[int, Body] = field(default_factory=dict)
    _choice: Body = field(default_factory=dict)
    _token_ids: list[Any] | None = None

    def feed(self, payload: bytes) -> tuple[TextDelta, ...]:
        """Add one event; return its text. Raises UpstreamFailed, or BadRequest for a refusal as the first event."""
        if payload == DONE:
            self.is_done = True
            return ()
        chunk = parse_json(payload)
        if not isinstance(chunk, dict) or chunk.get("error"):
            has_begun = self._texts or self._tool_calls or not isinstance(chunk, dict)
            raise error_from_chunk(None) if has_begun else error_from_chunk(chunk["error"])
        self.usage = chunk.get("usage") or self.usage
        choices = chunk.get("choices") or []
        if not isinstance(choices, list) or len(choices) > 1:
            raise UpstreamFailed("returned more choices than requested")
        return self._add_choice(choices[0]) if choices else ()

    def to_body(self) -> Body:
        """Return the body that the response so far would have without streaming."""
        choice = {"index": 0, "finish_reason": None, **self._choice, "logprobs": self.logprobs or None}
        texts = {name: "".join(parts) for name, parts in self._texts.items()}
        if "text" in texts:
            choice["text"] = texts["text"]
        else:
            message: Body = {"role": "assistant", "content": None, **texts}
            if self._tool_calls:
                message["tool_calls"] = [self._tool_calls[index] for index in sorted(self._tool_calls)]
            choice["message"] = message
        if self._token_ids is not None:
            choice["token_ids"] = self._token_ids
        return {"choices": [choice], "usage": self.usage}

    def _add_choice(self, choice: object) -> tuple[TextDelta, ...]:
        if not isinstance(choice, dict) or choice.get("index", 0) != 0:
            raise UpstreamFailed("returned a choice that was not requested")
        self._add_fields(choice)
        delta = choice.get("delta") or {}
        if not isinstance(delta, dict):
            raise UpstreamFailed("returned a malformed chunk")
        self._add_tool_calls(delta.get("tool_calls") or [])
        is_raw = "text" in choice
        texts = {"text": choice.get("text")} if is_raw else {name: delta.get(name) for name in TEXT_FIELDS}
        return tuple(added for name, text in texts.items() if (added := self._add_text(name, text)))

    def _add_fields(self, choice: Body) -> None:
        """Add what a chunk reports beside its text."""
        for name in ("finish_reason", "stop_reason"):
            if choice.get(name) is not None:
                self._choice[name] = choice[name]
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
        return TextDelta(text, name.startswith("reasoning")) if text and name != "refusal" else None

    def _add_tool_calls(self, deltas: object) -> None:
        """Tool calls are identified by their index: the name comes first, the arguments in parts."""
        for delta in deltas if isinstance(deltas, list) else ():
            index = delta.get("index", 0) if isinstance(delta, dict) else None
            if not isinstance(index, int) or not 0 <= index < MAX_TOOL_CALLS:
                raise UpstreamFailed("returned a malformed tool call")
            empty = {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
            call = self._tool_calls.setdefault(index, empty)
            call["id"] = delta.get("id") or call["id"]
            function = delta.get("function")
            for name in ("name", "arguments") if isinstance(function, dict) else ():
                part = function.get(name) or ""
                if not isinstance(part, str):
                    raise UpstreamFailed("returned a malformed tool call")
                call["function"][name] += part
