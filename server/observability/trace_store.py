"""Finished traces for `GET /v1/traces`: in this process and, over a shared cache, for all processes.

A trace is stored under the tenant and the number of the answer that its search found, and beside it its summary, which
lists are made of. An `Origin` under the tenant and a request id leads to that number: several requests may have been
given one answer.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from cogitate.server.auth.caller import Caller
from cogitate.server.cache import BoundedCache, Cache
from cogitate.server.cache.encryption import Encryption
from cogitate.server.observability.trace_origin import Origin
from cogitate.server.protocol.json import digest, dumps
from cogitate.server.protocol.trace import TraceEvent

TTL_SECONDS = 600
DEFAULT_MAX_BYTES = 64 * 1024 * 1024
ENTRY_OVERHEAD_BYTES = 512
"""What an entry takes beside its value."""
TEXT_FIELDS = ("text", "tool_calls")
"""What a trace without texts does not have."""
Name = tuple[str, str]
"""A tenant with a request id or with the number of an answer."""


@dataclass(frozen=True, slots=True)
class StoredTrace:
    """A trace as JSON text. The request that began the search is shown to the key that sent it only."""

    key: str
    """The identifier of that key, which is not the key itself."""
    request: bytes
    rest: bytes
    """The trace without its `request`: a JSON object."""

    @classmethod
    def parse(cls, value: bytes) -> "StoredTrace":
        head, _, text = value.partition(b"\n")
        key, length = orjson.loads(head)
        return cls(key, text[:length], text[length:])

    def to_bytes(self) -> bytes:
        return orjson.dumps([self.key, len(self.request)]) + b"\n" + self.request + self.rest

    def render(self, caller: Caller, *, text: bool = True) -> bytes:
        """Return the trace as this caller may see it. `text`: with the texts of its decodes."""
        request = self.request if caller.key == self.key else b"null"
        rest = self.rest if text else dumps(self._load(text=False))
        return b'{"request":' + request + b"," + rest[1:]

    def list_events(self, *, text: bool = True) -> list[TraceEvent]:
        events: list[TraceEvent] = self._load(text=text)["events"]
        return events

    @property
    def is_running(self) -> bool:
        """Whether the search had not ended when this was written."""
        return bool(self._load(text=True)["status"] == "running")

    def _load(self, *, text: bool) -> Any:  # noqa: ANN401 JSON
        trace = orjson.loads(self.rest)
        if not text:
            for event in trace["events"]:
                for field in TEXT_FIELDS:
                    event.pop(field, None)
        return trace


class TraceStore:
    """Traces, summaries and origins for TTL_SECONDS, at most `max_bytes` of them in this process.

    `shared`: the cache that other processes have too; writing to it is the caller's part, since it takes time. With
    `secret`, the cache's, what is written there is encrypted, since traces contain requests.
    """

    def __init__(
        self, shared: Cache | None = None, max_bytes: int = DEFAULT_MAX_BYTES, secret: bytes | None = None
    ) -> None:
        self.shared = shared
        self._encryption = Encryption(secret)
        self._local = BoundedCache[tuple[str, Name], Any](max_bytes, TTL_SECONDS, size_of=_measure)

    def put_trace(self, name: Name, trace: StoredTrace) -> None:
        self._local.put(("trace", name), trace.to_bytes())

    def put_summary(self, name: Name, summary: bytes) -> None:
        self._local.put(("summary", name), summary)

    def put_origin(self, name: Name, origin: Origin) -> None:
        self._local.put(("origin", name), origin)

    def find_origin(self, name: Name) -> Origin | None:
        """Return the origin where this process has it."""
        origin: Origin | None = self._local.get(("origin", name))
        return origin

    async def share_trace(self, name: Name, trace: StoredTrace) -> bool:
        """Show a trace to the other processes. Returns False where there are none or the cache did not take it."""
        return await self.share("trace", name, trace.to_bytes())

    async def share_origin(self, name: Name, origin: Origin) -> None:
        await self.share("origin", name, origin.to_bytes())

    async def fetch_trace(self, name: Name) -> StoredTrace | None:
        value: bytes | None = self._local.get(("trace", name))
        if value is None:
            value = await self.fetch_shared("trace", name)
        return None if value is None else StoredTrace.parse(value)

    async def fetch_summary(self, name: Name) -> bytes | None:
        summary: bytes | None = self._local.get(("summary", name))
        return summary or await self.fetch_shared("summary", name)

    async def fetch_origin(self, name: Name) -> Origin | None:
        if origin := self.find_origin(name):
            return origin
        value = await self.fetch_shared("origin", name)
        return None if value is None else Origin.parse(value)

    async def share(self, kind: str, name: Name, value: bytes) -> bool:
        """Show a value to the other processes. Returns False where there are none or the cache did not take it."""
        if self.shared is None:
            return False
        key = _cache_key(kind, name)
        return await self.shared.put(key, self._encryption.encrypt(key, value), seconds=TTL_SECONDS)

    async def fetch_shared(self, kind: str, name: Name) -> bytes | None:
        """Return what a process has shown to the others; None where there are none."""
        key = _cache_key(kind, name)
        value = None if self.shared is None else await self.shared.get(key)
        return None if value is None else self._encryption.decrypt(key, value)

    def clear(self) -> None:
        """Forget what this process has stored."""
        self._local.clear()

    @property
    def size(self) -> int:
        """Bytes in this process."""
        return self._local.size


def _measure(key: tuple[str, Name], value: bytes | Origin) -> int:
    return ENTRY_OVERHEAD_BYTES + (len(value) if isinstance(value, bytes) else ENTRY_OVERHEAD_BYTES)


def _cache_key(kind: str, name: Name) -> str:
    """The kind stays legible in the names that Redis lists."""
    return f"{kind}:{digest(list(name)).hex()}"
