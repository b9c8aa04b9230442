"""The chunks of a stream -> the body that the same answer would have had whole, so that both are read in one way."""

from dataclasses import dataclass, field
from typing import Any

from cogitate.server.engine import Body
from cogitate.server.engine.remote.errors import Lost, reported
from cogitate.server.engine.remote.events import DONE
from cogitate.server.engine.remote.reply import parsed
from cogitate.strategies.core.types import Speech

MOST_CALLS = 128
TEXTS = ("content", "reasoning", "reasoning_content", "refusal")


@dataclass(slots=True)
class Assembly:
    """One choice, chat or raw text, as it grows."""

    ended: bool = False
    """The upstream said that this is all."""
    usage: object = None
    logprobs: dict[str, list[Any]] = field(default_factory=dict)
    """As the upstream writes them: lists by name, a place for each token."""
    _texts: dict[str, list[str]] = field(default_factory=dict)
    _calls: dict[int, Body] = field(default_factory=dict)
    _choice: Body = field(default_factory=dict)
    _token_ids: list[Any] | None = None

    def add(self, payload: bytes) -> tuple[Speech, ...]:
        """Takes in one event; returns what it says. Raises Lost for what no chunk can be."""
        if payload == DONE:
            self.ended = True
            return ()
        chunk = parsed(payload)
        if not isinstance(chunk, dict) or chunk.get("error"):
            begun = self._texts or self._calls or not isinstance(chunk, dict)
            raise Lost("reported an error amid its answer") if begun else reported(chunk["error"])
        self.usage = chunk.get("usage") or self.usage
        choices = chunk.get("choices") or []
        if not isinstance(choices, list) or len(choices) > 1:
            raise Lost("sent more answers than were asked for")
        return self._grow(choices[0]) if choices else ()

    def body(self) -> Body:
        choice = {"index": 0, "finish_reason": None, **self._choice, "logprobs": self.logprobs or None}
        texts = {name: "".join(parts) for name, parts in self._texts.items()}
        if "text" in texts:
            choice["text"] = texts["text"]
        else:
            message: Body = {"role": "assistant", "content": None, **texts}
            if self._calls:
                message["tool_calls"] = [self._calls[at] for at in sorted(self._calls)]
            choice["message"] = message
        if self._token_ids is not None:
            choice["token_ids"] = self._token_ids
        return {"choices": [choice], "usage": self.usage}

    def _grow(self, choice: object) -> tuple[Speech, ...]:
        if not isinstance(choice, dict) or choice.get("index", 0) != 0:
            raise Lost("sent an answer that was not asked for")
        self._keep(choice)
        delta = choice.get("delta") or {}
        if not isinstance(delta, dict):
            raise Lost("sent a chunk that says nothing")
        self._call(delta.get("tool_calls") or [])
        said = {"text": choice.get("text")} if "text" in choice else {name: delta.get(name) for name in TEXTS}
        return tuple(speech for name, text in said.items() if (speech := self._say(name, text)))

    def _keep(self, choice: Body) -> None:
        """What a chunk says beside its text."""
        for name in ("finish_reason", "stop_reason"):
            if choice.get(name) is not None:
                self._choice[name] = choice[name]
        if isinstance(ids := choice.get("token_ids"), list):
            self._token_ids = (self._token_ids or []) + ids
        if isinstance(logprobs := choice.get("logprobs"), dict):
            for name, values in logprobs.items():
                if isinstance(values, list):
                    self.logprobs.setdefault(name, []).extend(values)

    def _say(self, name: str, text: object) -> Speech | None:
        if text is None:
            return None
        if not isinstance(text, str):
            raise Lost("sent a text that is none")
        self._texts.setdefault(name, []).append(text)
        return Speech(text, name.startswith("reasoning")) if text and name != "refusal" else None

    def _call(self, deltas: object) -> None:
        """Tool calls grow by their index: the name comes first, the arguments in pieces."""
        for delta in deltas if isinstance(deltas, list) else ():
            at = delta.get("index", 0) if isinstance(delta, dict) else None
            if not isinstance(at, int) or not 0 <= at < MOST_CALLS:
                raise Lost("sent a tool call that is none")
            call = self._calls.setdefault(at, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
            call["id"] = delta.get("id") or call["id"]
            function = delta.get("function")
            for name in ("name", "arguments") if isinstance(function, dict) else ():
                part = function.get(name) or ""
                if not isinstance(part, str):
                    raise Lost("sent a tool call that is none")
                call["function"][name] += part
