"""Joins the deltas of streamed tool calls.

OpenAI numbers the calls by `index`, and sends a call's id and name in its first delta only. Other upstreams give all
calls the index 0, or none, and tell them apart by their ids (Ollama, Gemini); repeat the id or the name in each delta;
or send a new id with each delta of one call.
"""

from dataclasses import dataclass, field

import orjson

from cogitate.server.engine import Body
from cogitate.server.engine.remote.dialects.message import to_arguments
from cogitate.server.engine.remote.dialects.usage import to_count
from cogitate.server.engine.remote.errors import UpstreamFailed
from cogitate.server.engine.remote.validate import as_dict

MAX_TOOL_CALLS = 128


@dataclass(slots=True, eq=False)
class CallParts:
    """A tool call so far."""

    index: int
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)

    def to_body(self) -> Body:
        function = {"name": self.name, "arguments": "".join(self.arguments)}
        return {"id": self.id, "type": "function", "function": function}

    def has_all_arguments(self) -> bool:
        """Whether the arguments are complete JSON."""
        try:
            orjson.loads("".join(self.arguments))
        except orjson.JSONDecodeError:
            return False
        return True


@dataclass(slots=True)
class ToolCallJoiner:
    """The tool calls of one streamed choice."""

    calls: list[CallParts] = field(default_factory=list)
    _by_index: dict[int, CallParts] = field(default_factory=dict)
    _by_id: dict[str, CallParts] = field(default_factory=dict)

    def add(self, delta: object) -> None:
        """Add a delta to its call. Raises UpstreamFailed."""
        if not isinstance(delta, dict):
            raise UpstreamFailed("returned a malformed tool call")
        source = delta.get("function")
        function = as_dict(delta if source is None else source)
        name, id = function.get("name") or "", delta.get("id") or ""
        arguments = to_arguments(function.get("arguments"))
        if isinstance(id, int):
            id = str(id)
        if not (isinstance(name, str) and isinstance(id, str)):
            raise UpstreamFailed("returned a malformed tool call")
        index = _parse_index(delta.get("index"))
        if not (name or arguments or id):
            return
        call = self._find(index, id, name) or self._start(index)
        if id and id not in self._by_id:
            call.id = call.id or id
            self._by_id[id] = call
        if name != call.name:
            call.name += name
        if arguments:
            call.arguments.append(arguments)

    def to_bodies(self) -> list[Body]:
        """The calls so far, by index."""
        return [call.to_body() for call in sorted(self.calls, key=lambda call: call.index)]

    def _find(self, index: int | None, id: str, name: str) -> CallParts | None:
        """Return the call that a delta continues; None where it begins one."""
        if id in self._by_id:
            return self._by_id[id]
        call = self._by_index.get(index) if index is not None else self.calls[-1] if self.calls else None
        if call is None or not (name and call.name):
            return call
        if id and call.id:
            return None
        if name != call.name:
            return None if index is None or call.arguments else call
        return None if call.has_all_arguments() else call

    def _start(self, index: int | None) -> CallParts:
        if len(self.calls) == MAX_TOOL_CALLS:
            raise UpstreamFailed("returned too many tool calls")
        call = CallParts(len(self.calls) if index is None else index)
        self.calls.append(call)
        self._by_index[call.index] = call
        return call


def _parse_index(value: object) -> int | None:
    index = to_count(value)
    if value is not None and (index is None or index >= MAX_TOOL_CALLS):
        raise UpstreamFailed("returned a malformed tool call")
    return index
