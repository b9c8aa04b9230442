"""People who ask one server all the time, and what they and it saw of what happened meanwhile."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.resilience.concurrent_clients import pooled
from tests.resilience.redis_servers import VOTE, question
from tests.resilience.server_process import CHAT, HELLO, Meanwhile, Server, percentile

PATIENCE = httpx.Timeout(30)


@dataclass(frozen=True, slots=True)
class Asked:
    at: float
    """By the monotonic clock."""
    took: float
    """Milliseconds."""
    status: int
    new: bool
    """Nobody has asked it before: to answer it is a search."""


@dataclass(slots=True)
class Load(Meanwhile):
    """`with Load(server, users, every):` each asks so many seconds after they asked before, or at once where late."""

    server: Server
    users: int
    every: float = 0.0
    new: int = 1
    """Of so many questions one is new,"""
    old: int = 20
    """and the others are one of these."""
    headers: Mapping[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    _number: int = 0

    def _run(self) -> None:
        asks = [{"user": user} for user in range(self.users)]
        asyncio.run(pooled(asks, self._user, self.users, PATIENCE))

    async def _user(self, client: httpx.AsyncClient, who: Mapping[str, Any]) -> httpx.Response:
        due = time.monotonic() + self.every * who["user"] / self.users
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due = max(due + self.every, time.monotonic())
            answer = await self._ask(client)
            if self._over.is_set():
                return answer

    async def _ask(self, client: httpx.AsyncClient) -> httpx.Response:
        self._number += 1
        number, new = self._number, self._number % self.new == 0
        said = (
            HELLO
            | question(f"new {number // 100} {number % 100}" if new else old(number % self.old))
            | {"strategy": VOTE}
        )
        began = time.monotonic()
        answer = await client.post(self.server.url + CHAT, json=said, headers=self.headers)
        self.asked.append(Asked(began, (time.monotonic() - began) * 1000, answer.status_code, new))
        return answer


def old(number: int) -> str:
    return f"old {number}"


@dataclass(slots=True)
class Span:
    """What was asked in a time, and what it cost the server."""

    begin: float = field(default_factory=time.monotonic)
    asked: list[Asked] = field(default_factory=list)
    processor: float = 0.0
    """Milliseconds a request."""
    memory: float = 0.0
    """The most, MiB."""
    log: float = 0.0
    """Bytes a request."""
    acts: list[float] = field(default_factory=list)
    """When something was done, by the monotonic clock."""

    @property
    def p99(self) -> float:
        """Milliseconds, as all that follow."""
        return percentile([each.took for each in self.asked], 99)

    @property
    def struck(self) -> tuple[float, float]:
        """p99 of those that were under way in the second behind an act, and of the others."""
        near, far = list[float](), list[float]()
        for each in self.asked:
            struck = any(act - each.took / 1000 < each.at < act + 1 for act in self.acts)
            (near if struck else far).append(each.took)
        return percentile(near, 99), percentile(far, 99)

    @property
    def search(self) -> float:
        """p50 until an answer that nobody could have kept."""
        return percentile([each.took for each in self.asked if each.new], 50)

    def last(self, server: Server, seconds: float, act: Callable[[], object] = lambda: None, again: float = 0) -> None:
        """Acts at once, and anew each `again` seconds where that is not 0, until the time is over."""
        due, until = self.begin, self.begin + seconds
        while (now := time.monotonic()) < until:
            if now >= due:
                self.acts.append(now)
                act()
                due = now + again if again else until
            self.memory = max(self.memory, server.memory)
            time.sleep(max(0.0, min(0.2, until - time.monotonic())))


@contextmanager
def measured(load: Load) -> Iterator[Span]:
    server, before = load.server, spent(load.server)
    said, span = len(server.output), Span()
    yield span
    end = time.monotonic()
    span.asked = [each for each in list(load.asked) if span.begin <= each.at <= end]
    span.processor = (spent(server) - before) / len(span.asked) * 1000
    span.log = (len(server.output) - said) / len(span.asked)


def spent(server: Server) -> float:
    """Seconds of processor time."""
    times = server.process.cpu_times()
    return times.user + times.system
