"""Cached answers said again by the connection itself.

A request that repeats another byte for byte, headers and all, has the same key, rights and plan. Its answer differs in
its names and its times alone: nothing needs to be parsed, routed or rendered a second time. Here are the answers of
this process's own cache; what stands in Redis must be asked for.
"""

import os
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TypeVar

from cogitate.server.cache import MemoryCache
from cogitate.server.observability.metrics import Metrics
from cogitate.server.observability.trace_origin import Borrowed, Borrowings
from cogitate.server.planning.plan import Plan

T = TypeVar("T")
MOST = 256
LONGEST = 16 * 1024
"""Bytes of a request with its headers. Parsing a longer one takes less than sending it."""
HEAD = b"content-type: application/json\r\nx-cache: hit\r\ncontent-length: %d\r\nx-request-id: "


@dataclass(frozen=True, slots=True)
class Said:
    """A request as it came over the wire. `head`: the length of its first part, where it came in two."""

    whole: bytes
    head: int


@dataclass(frozen=True, slots=True)
class Encore:
    """An answer, and what in it belongs to the request that it answered."""

    path: str
    strategy: str
    tenant: str
    borrowed: Borrowed | None
    """Whose the answer is; None where there was no search for it."""
    key: str
    value: bytes
    """What the cache held under this key."""
    standing: object
    """What its right to ask rests on."""
    head: bytes
    parts: tuple[bytes, ...]
    """Its content: before the number of its id, from there to the time, and the rest between the request's names."""
    named: bytes | None
    """The client's own name for its requests."""

    @classmethod
    def of(
        cls,
        plan: Plan,
        path: str,
        borrowed: Borrowed | None,
        held: tuple[str, bytes],
        content: bytes,
        standing: object,
        *,
        own_name: bool,
    ) -> "Encore":
        name, number = plan.caller.request_id.encode(), plan.number.encode()
        before, behind = content.split(b'"created":%d' % plan.created, 1)
        front, middle = before.split(number, 1)
        parts = (front, middle + b'"created":', *([behind] if own_name else behind.split(name)))
        named = name if own_name else None
        tenant, head = plan.caller.tenant, HEAD % len(content)
        return cls(path, plan.strategy_name, tenant, borrowed, *held, standing, head, parts, named)

    def names(self) -> tuple[bytes, bytes]:
        """What the next request that it answers is called, and the number of the answer."""
        fresh = os.urandom(32).hex().encode()
        return self.named or fresh[:32], fresh[32:]

    def again(self, name: bytes, number: bytes, lines: bytes) -> bytes:
        """The whole response, under these names. `lines`: its status, and the server's own headers."""
        now = str(int(time.time())).encode()
        front, middle, *rest = self.parts
        return b"".join((lines, self.head, name, b"\r\n\r\n", front, number, middle, now, name.join(rest)))


@dataclass(slots=True)
class Encores:
    """At most MOST answers, by the digest of the request: a key that was sent is not kept."""

    memory: MemoryCache
    metrics: Metrics
    borrowings: Borrowings
    standing: Callable[[], object]
    """What the right to ask rests on now: it changes with the keys. None while no requests are taken at all."""
    headers: object = None
    lines: bytes = b""
    """The server's own headers, which change once a second, as they are sent."""
    kept: "OrderedDict[bytes, Encore]" = field(default_factory=OrderedDict)
    heads: "OrderedDict[bytes, None]" = field(default_factory=OrderedDict)

    def keep(self, said: Said, plan: Plan, path: str, content: bytes, *, own_name: bool) -> None:
        """Remembers how a repeat was answered from the cache."""
        value = self.memory.held(plan.key) if plan.key else None
        if plan.key is None or value is None or plan.caller.rights.requests_per_minute:
            return
        borrowed = self.borrowings.find(plan.caller.name)
        encore = Encore.of(plan, path, borrowed, (plan.key, value), content, self.standing(), own_name=own_name)
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
        standing = self.standing()
        good = standing is not None and standing == encore.standing and self.memory.held(encore.key) is encore.value
        return encore if good else None

    def again(self, encore: Encore, names: tuple[bytes, bytes], headers: list[tuple[bytes, bytes]]) -> bytes:
        """Its response, under these names. `headers`: the server's own."""
        if headers is not self.headers:
            self.headers = headers
            self.lines = b"HTTP/1.1 200 OK\r\n" + b"".join([b"%b: %b\r\n" % line for line in headers])
        return encore.again(*names, self.lines)

    def count(self, encore: Encore, name: bytes, seconds: float) -> None:
        """Takes in that it was given to the request of this name."""
        if encore.borrowed is not None:
            self.borrowings.keep((encore.tenant, name.decode()), encore.borrowed)
        self.metrics.answered(encore.path, encore.strategy, 200, seconds, hit=True)


def digest(said: bytes) -> bytes:
    return blake2b(said).digest()


def _put(kept: "OrderedDict[bytes, T]", key: bytes, value: "T") -> None:
    kept[key] = value
    if len(kept) > MOST:
        kept.popitem(last=False)
