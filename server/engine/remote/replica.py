"""One upstream in use: its connections, its key, what it carries now, and how it is."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

import httpx

from cogitate.server.engine.remote.config import Path, Patience, Upstream
from cogitate.server.engine.remote.errors import Lost, Throttled, refusal
from cogitate.server.engine.remote.health import Health
from cogitate.server.engine.remote.reply import TOO_MUCH, Reply
from cogitate.server.engine.remote.response_limit import MOST_BYTES
from cogitate.server.engine.remote.transport import Incoming, Origin, Transport, Waits, begun, origin_of

MOST_ERROR = 64 * 1024
"""Bytes of an error's body that are read."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One call. `until`: the time of the loop when it must have ended; `stream`: it is answered piece by piece."""

    path: Path
    body: bytes
    until: float
    stream: bool = False
    most: int = MOST_BYTES
    """Bytes that are read of the answer."""


@dataclass(slots=True, eq=False)
class Replica:
    upstream: Upstream
    patience: Patience
    on_sick: Callable[["Replica", bool], None]
    """Called when it keeps failing, with whether it is silent; decides whether it can be done without."""
    health: Health = field(default_factory=Health)
    transport: Transport = field(default_factory=Transport)
    in_flight: int = 0
    _heads: dict[tuple[Path, bool], tuple[Origin, bytes]] = field(default_factory=dict)
    """Where a path is asked, and how such a request begins: the same for every call."""

    def takes(self, now: float) -> bool:
        """Whether it is to be asked now: it has not asked to be left alone, and on trial it has one call at a time."""
        return self.health.busy_until <= now and not (self.health.trial and self.in_flight)

    async def send(self, ask: Ask) -> Reply:
        """An answer with status 200 that has begun.

        Raises Lost or Throttled, which another replica may make good, or the ApiError of what none would take.
        """
        self.in_flight += 1
        reply = None
        try:
            incoming = await self._sent(ask)
            status, headers = incoming.status, incoming.headers
            reply = Reply(self, incoming, ask.most if status == 200 else MOST_ERROR)
        except httpx.TransportError as error:
            raise self._unanswered(error) from error
        finally:
            if reply is None:
                self.in_flight -= 1
        if status != 200:
            await self._refuse(reply, status, httpx.Headers(headers))
        if flaw := unreadable(headers, ask.most):
            async with reply:
                raise Lost(flaw)
        return reply

    async def _refuse(self, reply: Reply, status: int, headers: httpx.Headers) -> NoReturn:
        """Raises what the status means."""
        async with reply:
            body = await reply.whole() if status in (400, 413, 422) else b""
            told = refusal(status, headers, body)
            if isinstance(told, Throttled):
                self.health.busy_until = asyncio.get_running_loop().time() + told.pause
            if isinstance(told, Lost):
                raise told
        raise told

    async def alive(self) -> bool:
        """Whether it answers at all, asked for its models."""
        until = asyncio.get_running_loop().time() + self.patience.connect
        try:
            incoming = await self._sent(Ask("models", b"", until))
        except httpx.TransportError:
            return False
        status = incoming.status
        incoming.abort()
        return not 300 <= status < 400 and status < 500

    def succeeded(self) -> None:
        self.health.succeeded()

    def failed(self, *, silent: bool, refused: bool = False) -> None:
        if self.health.failed(refused=refused):
            self.on_sick(self, silent)

    def _unanswered(self, error: httpx.TransportError) -> Lost:
        refused = isinstance(error, httpx.ConnectError)
        self.failed(silent=True, refused=refused)
        return Lost("cannot be reached" if refused else "gave no answer", silent=True)

    async def _sent(self, ask: Ask) -> Incoming:
        """The answer to one call, begun. Raises httpx.TransportError."""
        origin, head = self._head(ask.path, posts=bool(ask.body))
        patience = self.patience
        first = patience.idle if ask.stream else patience.silent
        waits = Waits(patience.connect, first, patience.idle, ask.until)
        message = b"%bcontent-length: %d\r\n\r\n%b" % (head, len(ask.body), ask.body)
        return await self.transport.exchange(origin, message, waits)

    def _head(self, path: Path, *, posts: bool) -> tuple[Origin, bytes]:
        """The request line and the headers, as httpx writes them."""
        if (path, posts) not in self._heads:
            key = self.upstream.key
            headers = {
                "accept": "application/json, text/event-stream",
                "accept-encoding": "identity",
                "content-type": "application/json",
                "user-agent": "cogitate",
                **({"authorization": f"Bearer {key.get_secret_value()}"} if key else {}),
            }
            request = httpx.Request("POST" if posts else "GET", self.upstream.at(path), headers=headers)
            request.headers.pop("content-length", None)
            self._heads[path, posts] = origin_of(request.url), begun(request)
        return self._heads[path, posts]


def unreadable(headers: list[tuple[bytes, bytes]], most: int) -> str | None:
    """Why a body is not read at all."""
    for name, value in headers:
        match name.lower():
            case b"content-encoding" if value != b"identity":
                return "compressed its answer, which it was asked not to"
            case b"content-length" if int(value) > most:
                return TOO_MUCH
    return None
