"""The whole search of a request, kept for a while: GET /v1/traces/{id}. As JSON text, so that its size is known."""

import time
from collections import OrderedDict
from dataclasses import dataclass, field

from server.caller import Caller

SECONDS = 600.0
MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Told:
    """A trace with what was asked, for the key that asked, and without, for its tenant's others."""

    caller: Caller
    asked: bytes
    rest: bytes
    until: float = 0.0

    @property
    def size(self) -> int:
        return len(self.asked) + len(self.rest)

    def to(self, caller: Caller) -> bytes:
        return b'{"request":' + (self.asked if caller.key == self.caller.key else b"null") + b"," + self.rest[1:]


@dataclass(slots=True)
class Traces:
    """Bounded in time and in bytes; the oldest goes first."""

    seconds: float = SECONDS
    most_bytes: int = MOST_BYTES
    kept: "OrderedDict[tuple[str, str], Told]" = field(default_factory=OrderedDict)
    size: int = 0

    def keep(self, caller: Caller, asked: bytes, rest: bytes) -> None:
        self._drop(caller)
        told = Told(caller, asked, rest, time.monotonic() + self.seconds)
        self.kept[caller.tenant, caller.request_id] = told
        self.size += told.size
        while self.size > self.most_bytes or (self.kept and self._oldest().until < time.monotonic()):
            self._drop(self._oldest().caller)

    def alias(self, caller: Caller, first: Caller) -> None:
        """The request of this name waited for the first one's answer."""
        if told := self.kept.get((first.tenant, first.request_id)):
            asked = told.asked if caller.key == first.key else b"null"
            self.keep(caller, asked, told.rest)

    def find(self, caller: Caller) -> bytes | None:
        """The trace of the request of this name, if this tenant made it."""
        told = self.kept.get((caller.tenant, caller.request_id))
        return told.to(caller) if told and told.until >= time.monotonic() else None

    def _oldest(self) -> Told:
        return next(iter(self.kept.values()))

    def _drop(self, caller: Caller) -> None:
        if told := self.kept.pop((caller.tenant, caller.request_id), None):
            self.size -= told.size
