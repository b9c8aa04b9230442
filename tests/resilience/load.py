"""Continuous load on one server, and measurements of the client and the server during a span of it."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.resilience.background import BackgroundThread
from tests.resilience.concurrent_clients import map_requests
from tests.resilience.measure import percentile
from tests.resilience.redis_servers import VOTE, question
from tests.resilience.server_process import CHAT, HELLO, Server

TIMEOUT = httpx.Timeout(30)


@dataclass(frozen=True, slots=True)
class Sent:
    """One request of the load and its outcome."""

    at: float
    """Start, by the monotonic clock."""
    milliseconds: float
    status: int
    new: bool
    """The question was not sent before: the answer needs a search."""


@dataclass(slots=True)
class Load(BackgroundThread):
    """Lets each of `users` send a request every `interval` seconds, or at once when late, while the block runs."""

    server: Server
    users: int
    interval: float = 0.0
    new: int = 1
    """One of this many questions is new."""
    old: int = 20
    """The other questions are repeats of this many."""
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    _number: int = 0

    def _run(self) -> None:
        users = [{"user": user} for user in range(self.users)]
        asyncio.run(map_requests(users, self._run_user, self.users, TIMEOUT))

    async def _run_user(self, client: httpx.AsyncClient, fields: Mapping[str, Any]) -> httpx.Response:
        due = time.monotonic() + self.interval * fields["user"] / self.users
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due = max(due + self.interval, time.monotonic())
            response = await self._post(client)
            if self._stop.is_set():
                return response

    async def _post(self, client: httpx.AsyncClient) -> httpx.Response:
        self._number += 1
        number, new = self._number, self._number % self.new == 0
        text = f"new {number // 100} {number % 100}" if new else old_question(number % self.old)
        began = time.monotonic()
        response = await client.post(
            self.server.url + CHAT, json=HELLO | question(text) | {"strategy": VOTE}, headers=self.headers
        )
        self.sent.append(Sent(began, (time.monotonic() - began) * 1000, response.status_code, new))
        return response


def old_question(number: int) -> str:
    return f"old {number}"


@dataclass(slots=True)
class Span:
    """The requests sent in a span of time, and what they cost the server."""

    begin: float = field(default_factory=time.monotonic)
    sent: list[Sent] = field(default_factory=list)
    processor: float = 0.0
    """Processor time per request, milliseconds."""
    memory: float = 0.0
    """Peak memory, MiB."""
    log: float = 0.0
    """Log bytes per request."""
    acts: list[float] = field(default_factory=list)
    """When `act` was called, by the monotonic clock."""

    @property
    def p99(self) -> float:
        """Milliseconds, of all requests."""
        return percentile([each.milliseconds for each in self.sent], 99)

    @property
    def p99_near_and_far(self) -> tuple[float, float]:
        """p99 in milliseconds of the requests in flight within a second after an act, and of the rest."""
        near, far = list[float](), list[float]()
        for each in self.sent:
            is_near = any(act - each.milliseconds / 1000 < each.at < act + 1 for act in self.acts)
            (near if is_near else far).append(each.milliseconds)
        return percentile(near, 99), percentile(far, 99)

    @property
    def search(self) -> float:
        """p50 in milliseconds of the questions that no cache can hold."""
        return percentile([each.milliseconds for each in self.sent if each.new], 50)

    def run(self, server: Server, seconds: float, act: Callable[[], object] = lambda: None, again: float = 0) -> None:
        """Call `act` now, and again every `again` seconds if that is not 0, for `seconds`."""
        due, until = self.begin, self.begin + seconds
        while (now := time.monotonic()) < until:
            if now >= due:
                self.acts.append(now)
                act()
                due = now + again if again else until
            self.memory = max(self.memory, server.memory)
            time.sleep(max(0.0, min(0.2, until - time.monotonic())))


@contextmanager
def measure(load: Load) -> Iterator[Span]:
    """Measure the load for the length of the `with` block."""
    server, processor = load.server, load.server.processor_seconds
    log, span = count_log_bytes(server), Span()
    yield span
    end = time.monotonic()
    span.sent = [each for each in list(load.sent) if span.begin <= each.at <= end]
    span.processor = (server.processor_seconds - processor) / len(span.sent) * 1000
    span.log = (count_log_bytes(server) - log) / len(span.sent)


def count_log_bytes(server: Server) -> int:
    """Return the length of the log but for the line that each request has, which is written some time later."""
    return sum(len(line) for line in server.output.splitlines() if " cogitate.requests: " not in line)
