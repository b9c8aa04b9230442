"""One HTTP/1.1 client connection: httptools on asyncio's protocol interface, with bodies read chunk by chunk.

A slow reader pauses the socket, so that an endless response is never in memory. Nothing is parsed twice, and nothing is
copied but the chunks.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import httptools

MAX_HEAD_BYTES = 64 * 1024
"""Limit of the status line and the headers."""
MAX_BUFFERED_BYTES = 1024 * 1024
"""Body bytes that wait for the reader before the socket is paused."""


class ConnectionBroken(Exception):
    """The server closed the connection, or does not speak HTTP."""


@dataclass(slots=True)
class Timer:
    """A reusable timeout: restarting it does not reschedule a callback.

    uvloop takes longer to create and cancel a timer than to send a small request. So the scheduled callback stays when
    a wait is over; when it runs, it checks whether something waits now, and until when.
    """

    on_timeout: Callable[[], None]
    _deadline: float = math.inf
    """Time of the event loop; infinity while nothing waits."""
    _handle: asyncio.TimerHandle | None = None

    def start(self, seconds: float) -> None:
        """Call `on_timeout` after `seconds`, unless it is started again or stopped before."""
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + seconds
        if self._handle is None or self._handle.when() > self._deadline:
            self.close()
            self._handle = loop.call_later(seconds, self._check, loop)

    def stop(self) -> None:
        self._deadline = math.inf

    def close(self) -> None:
        """Cancel the scheduled callback."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        self._handle, remaining = None, self._deadline - loop.time()
        if remaining <= 0:
            self.on_timeout()
        elif remaining < math.inf:
            self._handle = loop.call_later(remaining, self._check, loop)


@dataclass(slots=True, eq=False, repr=False)
class Connection(asyncio.Protocol):
    """One request at a time: `send`, then `read_head`, then `read_chunk` until it returns nothing."""

    on_idle: Callable[["Connection"], None]
    """Called by `release` when the connection can be reused."""
    on_lost: Callable[["Connection"], None]
    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    has_begun: bool = False
    """A byte of the response has arrived."""
    is_complete: bool = True
    error: Exception | None = None
    """Why the connection is unusable."""
    idle_since: float = 0.0
    """Time of the event loop."""
    _transport: asyncio.Transport = field(init=False)
    _parser: httptools.HttpResponseParser = field(init=False)
    _chunks: deque[bytes] = field(default_factory=deque)
    _buffered_bytes: int = 0
    _has_head: bool = True
    _ends_at_close: bool = False
    _head_bytes: int = 0
    _is_paused: bool = False
    _is_reusable: bool = False
    _waiter: "asyncio.Future[None] | None" = None
    _timer: Timer = field(init=False)

    def __post_init__(self) -> None:
        self._timer = Timer(self._time_out)

    def send(self, request: bytes) -> None:
        """Write an encoded request."""
        self.status, self.headers, self.has_begun, self.is_complete = 0, [], False, False
        self._has_head, self._ends_at_close, self._head_bytes, self._buffered_bytes = False, True, 0, 0
        self._chunks.clear()
        self._transport.write(request)

    async def read_head(self, seconds: float) -> None:
        """Wait for status and headers. Raises ConnectionBroken, or TimeoutError after `seconds`."""
        while not self._has_head:
            await self._wait(seconds)

    async def read_chunk(self, seconds: float) -> bytes:
        """Return the next chunk of the body, empty at its end.

        Raises ConnectionBroken, or TimeoutError after `seconds` without one.
        """
        while not self._chunks:
            if self.is_complete:
                return b""
            await self._wait(seconds)
        chunk = self._chunks.popleft()
        self._buffered_bytes -= len(chunk)
        if self._is_paused and self._buffered_bytes < MAX_BUFFERED_BYTES:
            self._is_paused = False
            self._transport.resume_reading()
        return chunk

    @property
    def is_drained(self) -> bool:
        """Whether the complete response has been received and read."""
        return self.is_complete and not self._chunks

    def release(self) -> None:
        """End the exchange: the connection becomes idle, or is closed at once where the response is incomplete."""
        if not self.is_complete or self.error is not None or not self._is_reusable:
            self._transport.abort()
            return
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()
        self.on_idle(self)

    def close(self) -> None:
        self._transport.abort()

    async def _wait(self, seconds: float) -> None:
        if self.error is not None:
            raise ConnectionBroken(str(self.error)) from self.error
        self._waiter = asyncio.get_running_loop().create_future()
        self._timer.start(seconds)
        try:
            await self._waiter
        finally:
            self._timer.stop()

    def _time_out(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(TimeoutError())

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: Exception) -> None:
        self.error = self.error or error
        self._transport.abort()
        self._wake()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        if self.is_complete:
            self._fail(ConnectionBroken("data without a request"))
            return
        self.has_begun = True
        if not self._has_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(error)
            return
        if not self._has_head and self._head_bytes > MAX_HEAD_BYTES:
            self._fail(ConnectionBroken("headers over the size limit"))
        if self._buffered_bytes > MAX_BUFFERED_BYTES and not self._is_paused and not self.is_complete:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self.error = self.error or error or ConnectionBroken("closed")
        if self._has_head and not self.is_complete and self._ends_at_close and error is None:
            self.is_complete = True
        self._timer.close()
        self.on_lost(self)
        self._wake()

    # httptools callbacks

    def on_message_begin(self) -> None:
        if self.is_complete:
            raise ConnectionBroken("two responses to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in (b"content-length", b"transfer-encoding"):
            self._ends_at_close = False
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._has_head = self.status >= 200
        if not self._has_head:
            self.headers = []

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._buffered_bytes += len(body)

    def on_message_complete(self) -> None:
        self.is_complete, self._is_reusable = self._has_head, self._parser.should_keep_alive()
