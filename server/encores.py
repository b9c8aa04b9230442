"""Cached answers said again by the connection itself.

A request that repeats another byte for byte, headers and all, has the same key, rights and plan. Its answer differs in
its names and its times alone: nothing needs to be parsed, routed or rendered a second time. Here are the answers of
this process's own cache; what stands in Redis must be asked for.
"""

import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from prometheus_client import Counter

from server.cache import MemoryCache
from server.metrics import Metrics
from server.plan import Plan

T = TypeVar("T")
MOST = 256
LONGEST = 16 * 1024
"""Bytes of a request with its headers. Parsing a longer one takes less than sending it."""
RESPONSE = (
    b"HTTP/1.1 200 OK\r\n%bcontent-type: application/json\r\nx-cache: hit\r\nx-request-id: %b\r\n"
    b"content-length: %d\r\n\r\n%b"
)


@dataclass(frozen=True, slots=True)
class Said:
    """A request as it came over the wire. `head`: the length of its first part, where it came in two."""

    whole: bytes
    head: int


@dataclass(frozen=True, slots=True)
class Encore:
    """An answer, and what in it belongs to the request that it answered."""

    plan: Plan
    path: str
    value: bytes
    """What the cache held for it."""
    authority: object
    """What its right to ask rests on."""
    parts: tuple[bytes, ...]
    """Its content, without its id and what stands between that and the time: one part more than names."""
    named: bytes | None
    """The client's own name for its requests."""

    @classmethod
    def of(cls, plan: Plan, path: str, value: bytes, content: bytes, authority: object, *, own_name: bool) -> "Encore":
        name = plan.caller.request_id.encode()
        before, behind = content.split(b'"created":%d' % plan.created, 1)
        front, middle = before.split(plan.id.encode(), 1)
        ends = (behind,) if own_name else tuple(behind.split(name))
        return cls(plan, path, value, authority, (front, middle, *ends), name if own_name else None)

    def again(self, lines: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The whole response, under names of its own. `lines`: the server's own headers."""
        fresh = os.urandom(32).hex().encode()
        name = self.named or fresh[:32]
        front, middle, *ends = self.parts
        kind = b"chatcmpl-" if self.plan.id.startswith("chatcmpl") else b"cmpl-"
        now = int(time.time())
        content = b'%b%b%b%b"created":%d%b' % (front, kind, fresh[32:], middle, now, name.join(ends))
        head = b"".join([b"%b: %b\r\n" % line for line in lines])
        return RESPONSE % (head, name, len(content), content)


@dataclass(slots=True)
class Encores:
    """At most MOST answers, by the digest of the request: a key that was sent is not kept."""

    memory: MemoryCache | None
    metrics: Metrics
    takes: Callable[[], bool]
    """Whether requests are taken at all."""
    authority: Callable[[], object] = lambda: None
    """What the right to ask rests on now: it changes with the keys."""
    hits: Counter = field(init=False)
    kept: "OrderedDict[bytes, Encore]" = field(default_factory=OrderedDict)
    heads: "OrderedDict[bytes, None]" = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self.hits = self.metrics.cache.labels("hit")

    def keep(self, said: Said, plan: Plan, path: str, content: bytes, *, own_name: bool) -> None:
        """Remembers how a repeat was answered from the cache."""
        value = self.memory.held(plan.key) if self.memory and plan.key else None
        if value is None or plan.caller.rights.requests_per_minute:
            return
        encore = Encore.of(plan, path, value, content, self.authority(), own_name=own_name)
        _put(self.kept, digest(said.whole), encore)
        if said.head < len(said.whole):
            _put(self.heads, digest(said.whole[: said.head]), None)

    def begins(self, head: bytes) -> bool:
        """Whether some request that is remembered begins with exactly this part."""
        return bool(self.heads) and len(head) <= LONGEST and digest(head) in self.heads

    def find(self, whole: bytes) -> Encore | None:
        """The answer to a request that is remembered, while it is still in the cache and may be given."""
        if not self.kept or len(whole) > LONGEST or (encore := self.kept.get(digest(whole))) is None:
            return None
        assert self.memory is not None and encore.plan.key is not None
        current = self.memory.held(encore.plan.key) is encore.value and encore.authority == self.authority()
        return encore if current and self.takes() else None

    def count(self, encore: Encore, seconds: float) -> None:
        """Takes in that it was given."""
        self.hits.inc()
        self.metrics.answered(encore.path, encore.plan.strategy_name, 200, seconds)


def digest(said: bytes) -> bytes:
    return hashlib.blake2b(said, digest_size=32).digest()


def _put(kept: "OrderedDict[bytes, T]", key: bytes, value: "T") -> None:
    kept[key] = value
    if len(kept) > MOST:
        kept.popitem(last=False)
