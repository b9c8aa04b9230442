"""One HTTP/1.1 connection: httptools under asyncio's protocol, an answer in pieces as they come.

Nothing is parsed twice and nothing is copied but the pieces. A slow reader stops the socket, so that an endless
answer is never in memory.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import httptools

from cogitate.server.engine.remote.bell import Bell

MOST_HEAD = 64 * 1024
"""Bytes of status line and headers."""
MOST_WAITING = 1024 * 1024
"""Bytes that wait for their reader before the socket is stopped."""


class Broken(Exception):
    """The other side left, or does not speak HTTP."""


@dataclass(slots=True, eq=False, repr=False)
class Connection(asyncio.Protocol):
    """One request at a time: `send`, then `head`, then `piece` until it returns nothing."""

    on_free: Callable[["Connection"], None]
    """Called by `release` when the connection may be used again."""
    on_lost: Callable[["Connection"], None]
    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    begun: bool = False
    """Something of the answer has come."""
    complete: bool = True
    lost: Exception | None = None
    freed_at: float = 0.0
    _transport: asyncio.Transport = field(init=False)
    _parser: httptools.HttpResponseParser = field(init=False)
    _pieces: deque[bytes] = field(default_factory=deque)
    _waiting: int = 0
    _headed: bool = True
    _until_close: bool = False
    _head_bytes: int = 0
    _paused: bool = False
    _reusable: bool = False
    _reader: "asyncio.Future[None] | None" = None
    _bell: Bell = field(init=False)

    def __post_init__(self) -> None:
        self._bell = Bell(self._late)

    def send(self, request: bytes) -> None:
        self.status, self.headers, self.begun, self.complete = 0, [], False, False
        self._headed, self._until_close, self._head_bytes, self._waiting = False, True, 0, 0
        self._pieces.clear()
        self._transport.write(request)

    async def head(self, seconds: float) -> None:
        """Waits for status and headers. Raises Broken, or TimeoutError after `seconds`."""
        while not self._headed:
            await self._more(seconds)

    async def piece(self, seconds: float) -> bytes:
        """The next of the body, empty at its end. Raises Broken, or TimeoutError after `seconds` without any."""
        while not self._pieces:
            if self.complete:
                return b""
            await self._more(seconds)
        piece = self._pieces.popleft()
        self._waiting -= len(piece)
        if self._paused and self._waiting < MOST_WAITING:
            self._paused = False
            self._transport.resume_reading()
        return piece

    @property
    def drained(self) -> bool:
        """The whole answer has come and been taken."""
        return self.complete and not self._pieces

    def release(self) -> None:
        """Nobody reads on. An answer that is not complete is aborted by closing at once."""
        if not self.complete or self.lost is not None or not self._reusable:
            self._transport.abort()
            return
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        self.on_free(self)

    def close(self) -> None:
        self._transport.abort()

    async def _more(self, seconds: float) -> None:
        if self.lost is not None:
            raise Broken(str(self.lost)) from self.lost
        self._reader = asyncio.get_running_loop().create_future()
        self._bell.set(seconds)
        try:
            await self._reader
        finally:
            self._bell.still()

    def _late(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_exception(TimeoutError())

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _fail(self, error: Exception) -> None:
        self.lost = self.lost or error
        self._transport.abort()
        self._wake()

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        if self.complete:
            self._fail(Broken("an answer to nothing"))
            return
        self.begun = True
        if not self._headed:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(error)
            return
        if not self._headed and self._head_bytes > MOST_HEAD:
            self._fail(Broken("the headers do not end"))
        if self._waiting > MOST_WAITING and not self._paused and not self.complete:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = self.lost or error or Broken("closed")
        if self._headed and not self.complete and self._until_close and error is None:
            self.complete = True
        self._bell.end()
        self.on_lost(self)
        self._wake()

    # httptools

    def on_message_begin(self) -> None:
        if self.complete:
            raise Broken("two answers to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in (b"content-length", b"transfer-encoding"):
            self._until_close = False
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._headed = self.status >= 200
        if not self._headed:
            self.headers = []

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)
        self._waiting += len(body)

    def on_message_complete(self) -> None:
        self.complete, self._reusable = self._headed, self._parser.should_keep_alive()
