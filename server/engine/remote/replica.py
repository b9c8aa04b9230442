"""One upstream in use: its connections, its key, what it carries now, and how it is."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

import httpx

from server.engine.remote.failures import Lost, Throttled, refusal
from server.engine.remote.health import Health
from server.engine.remote.reply import MOST_BYTES, TOO_MUCH, Reply
from server.engine.remote.transport import Incoming, Transport
from server.engine.remote.upstream import Path, Patience, Upstream

MOST_ERROR = 64 * 1024
"""Bytes of an error's body that are read."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One call. `until`: the time of the loop when it must have ended; `stream`: it is answered piece by piece."""

    path: Path
    body: bytes
    until: float
    stream: bool = False


@dataclass(slots=True, eq=False)
class Replica:
    upstream: Upstream
    patience: Patience
    on_sick: Callable[["Replica", bool], None]
    """Called when it keeps failing, with whether it is silent; decides whether it can be done without."""
    health: Health = field(default_factory=Health)
    transport: Transport = field(default_factory=Transport)
    in_flight: int = 0
    _urls: dict[Path, httpx.URL] = field(default_factory=dict)
    _headers: httpx.Headers = field(init=False)

    def __post_init__(self) -> None:
        key = self.upstream.key
        self._headers = httpx.Headers(
            {
                "host": httpx.URL(self.upstream.url).netloc.decode(),
                "accept": "application/json, text/event-stream",
                "accept-encoding": "identity",
                "content-type": "application/json",
                "user-agent": "cogitate",
                **({"authorization": f"Bearer {key.get_secret_value()}"} if key else {}),
            }
        )

    async def send(self, ask: Ask) -> Reply:
        """An answer with status 200 that has begun.

        Raises Lost or Throttled, which another replica may make good, or the ApiError of what none would take.
        """
        self.in_flight += 1
        reply = None
        try:
            response = await self.transport.handle_async_request(self._request(ask))
            assert isinstance(response.stream, Incoming)
            reply = Reply(self, response.stream)
        except httpx.TransportError as error:
            raise self._unanswered(error) from error
        finally:
            if reply is None:
                self.in_flight -= 1
        if response.status_code != 200:
            await self._refuse(reply, response)
        if flaw := unreadable(response.headers):
            async with reply:
                raise Lost(flaw)
        return reply

    async def _refuse(self, reply: Reply, response: httpx.Response) -> NoReturn:
        """Raises what the status means."""
        async with reply:
            body = await reply.whole(MOST_ERROR) if response.status_code in (400, 413, 422) else b""
            told = refusal(response.status_code, response.headers, body)
            if isinstance(told, Throttled):
                self.health.busy_until = asyncio.get_running_loop().time() + told.pause
            if isinstance(told, Lost):
                raise told
        raise told

    async def alive(self) -> bool:
        """Whether it answers at all, asked for its models."""
        until = asyncio.get_running_loop().time() + self.patience.connect
        try:
            response = await self.transport.handle_async_request(self._request(Ask("models", b"", until)))
        except httpx.TransportError:
            return False
        await response.aclose()
        return not 300 <= response.status_code < 400 and response.status_code < 500

    def succeeded(self) -> None:
        self.health.succeeded()

    def failed(self, *, silent: bool, refused: bool = False) -> None:
        if self.health.failed(refused=refused):
            self.on_sick(self, silent)

    def _unanswered(self, error: httpx.TransportError) -> Lost:
        refused = isinstance(error, httpx.ConnectError)
        self.failed(silent=True, refused=refused)
        return Lost("cannot be reached" if refused else "gave no answer", silent=True)

    def _request(self, ask: Ask) -> httpx.Request:
        url = self._urls.get(ask.path)
        if url is None:
            url = self._urls[ask.path] = httpx.URL(self.upstream.at(ask.path))
        patience = self.patience
        waits = {
            "connect": patience.connect,
            "read": patience.idle,
            "first": patience.idle if ask.stream else patience.silent,
            "until": ask.until,
        }
        method = "POST" if ask.body else "GET"
        body = httpx.ByteStream(ask.body)
        return httpx.Request(method, url, headers=self._headers, stream=body, extensions={"timeout": waits})


def unreadable(headers: httpx.Headers) -> str | None:
    """Why a body is not read at all."""
    if headers.get("content-encoding", "identity") != "identity":
        return "compressed its answer, which it was asked not to"
    if int(headers.get("content-length", 0)) > MOST_BYTES:
        return TOO_MUCH
    return None
