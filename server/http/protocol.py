"""uvicorn's HTTP protocol with what it leaves open: a bound on headers in size and in time, and our envelope.

Without it a client may send headers without end, or one byte a minute, and what is no HTTP is answered in plain text.
"""

import asyncio

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from cogitate.server.errors import ApiError, BadRequest, HeadersTooLarge, TooSlow
from cogitate.server.http.upgrade_parser import Staying

MOST_BYTES = 64 * 1024
"""Of a request's target and headers together."""
SECONDS = 10.0
"""For all of them to come, from the connection's first moment or from the end of the answer before."""
UNSENT = 16 * 1024
"""Bytes that are kept for a client behind what the kernel keeps, before a stream waits for it."""


class Receiving(HttpToolsProtocol):
    """One connection."""

    parser: Staying
    _bytes = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.parser = Staying(self)
        transport.set_write_buffer_limits(UNSENT)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._bytes = 0
        if self._timer is None:
            self._wait()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count(len(name) + len(value) + 4)

    def on_headers_complete(self) -> None:
        if self.parser.offered:
            return
        self._stop_waiting()
        super().on_headers_complete()
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False  # what follows a CONNECT that was refused is no request

    def on_message_complete(self) -> None:
        if not self.parser.offered:
            super().on_message_complete()

    def _should_upgrade(self) -> bool:
        return False

    def send_400_response(self, msg: str) -> None:
        """What the parser stumbled over: something that is no HTTP, or more of it than we take."""
        large = self._bytes > MOST_BYTES
        self._refuse(HeadersTooLarge(f"The headers are larger than {MOST_BYTES} bytes.") if large else BadRequest(msg))

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > MOST_BYTES:
            raise ValueError("too large")  # which the parser passes on as an error of its own

    def _wait(self) -> None:
        self._timer = self.loop.call_later(SECONDS, self._late)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        self._refuse(TooSlow(f"The headers did not come within {SECONDS:g} s."))

    def _refuse(self, error: ApiError) -> None:
        if self.transport.is_closing():
            return
        content = orjson.dumps(error.body)
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(content)
        self.transport.write(STATUS_LINE[error.status] + head + content)
        self.transport.close()
