"""The whole search of a request, kept for a while: GET /v1/traces/{id}. As JSON text, so that its size is known."""

import time
from collections import OrderedDict
from dataclasses import dataclass, field

from cogitate.server.auth.caller import Caller

SECONDS = 600.0
MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Told:
    """A trace with what was asked, for the key that asked, and without, for its tenant's others."""

    caller: Caller
    number: str
    """Of the answer that was found."""
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
    """By the names of their requests, and by the numbers of their answers.

    Bounded in time and in bytes; the oldest goes first.
    """

    seconds: float = SECONDS
    most_bytes: int = MOST_BYTES
    kept: "OrderedDict[tuple[str, str], Told]" = field(default_factory=OrderedDict)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    size: int = 0

    def keep(self, caller: Caller, number: str, asked: bytes, rest: bytes) -> None:
        self._drop(caller)
        told = Told(caller, number, asked, rest, time.monotonic() + self.seconds)
        self.kept[caller.name] = told
        self.names[caller.tenant, number] = caller.request_id
        self.size += told.size
        while self.size > self.most_bytes or (self.kept and self._oldest().until < time.monotonic()):
            self._drop(self._oldest().caller)

    def find(self, caller: Caller) -> bytes | None:
        """The trace of the request of this name, if this tenant made it."""
        name = self.names.get(caller.name, caller.request_id)
        told = self.kept.get((caller.tenant, name))
        return told.to(caller) if told and told.until >= time.monotonic() else None

    def numbers(self, caller: Caller) -> set[str]:
        """Of the answer that the request of this name found."""
        told = self.kept.get(caller.name)
        return {told.number} if told else set()

    def _oldest(self) -> Told:
        return next(iter(self.kept.values()))

    def _drop(self, caller: Caller) -> None:
        if told := self.kept.pop(caller.name, None):
            self.names.pop((caller.tenant, told.number), None)
            self.size -= told.size
