"""uvicorn's HTTP/1.1 protocol with limits on request headers (size, time) and on unsent response bytes.

Without them a client may send headers without end, or one byte a minute. What is not HTTP is answered with OpenAI's
error envelope, where uvicorn answers in plain text. Only WEBSOCKET_PATH may become a WebSocket.
"""

import asyncio

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from cogitate.server.errors import ApiError, BadRequest, HeadersTooLarge, RequestTimeout
from cogitate.server.http.upgrade_parser import Http1Parser

MAX_HEADER_BYTES = 64 * 1024
"""Size of a request's target and headers together."""
TOO_LARGE = f"The headers are larger than {MAX_HEADER_BYTES} bytes."
HEADER_TIMEOUT_SECONDS = 10.0
"""Time for a request's headers to arrive, from the start of the connection or from the request's first byte."""
WEBSOCKET_PATH = b"/v1/realtime"
"""vLLM's WebSocket route, which it has for models that transcribe live. Elsewhere an offer to upgrade is ignored."""
WRITE_BUFFER_BYTES = 16 * 1024
"""Response bytes buffered in this process, beyond the kernel's send buffer, before a stream waits for its client."""


class HttpProtocol(HttpToolsProtocol):
    """One client connection."""

    parser: Http1Parser
    _target = b""
    """The request's target, as it was sent."""
    _header_bytes = 0
    """Size of the headers parsed so far."""
    _pending_bytes = 0
    """Size of the chunks received since the chunk in which the current request began."""
    _header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.parser = Http1Parser(self)
        transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._pending_bytes += len(data)
        super().data_received(data)
        # The parser reports a header at its end only: one without end is noticed here.
        if self._header_timer is not None and self._pending_bytes > MAX_HEADER_BYTES:
            self._reject(HeadersTooLarge(TOO_LARGE))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._target = b""
        self._header_bytes = 0
        self._pending_bytes = 0
        if self._header_timer is None:
            self._start_timer()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._target += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count(len(name) + len(value) + 4)

    def on_headers_complete(self) -> None:
        if self.parser.has_upgrade_offer:
            return
        self._stop_timer()
        super().on_headers_complete()
        if self.parser.should_upgrade() and not self.is_websocket:
            self.cycle.keep_alive = False  # bytes after a refused CONNECT are not another request

    def on_message_complete(self) -> None:
        if not self.parser.has_upgrade_offer:
            super().on_message_complete()

    @property
    def is_websocket(self) -> bool:
        """Whether the headers just read ask for a WebSocket where there is one, with no response outstanding."""
        idle = self.cycle is None or self.cycle.response_complete
        return idle and self._target.partition(b"?")[0] == WEBSOCKET_PATH and self._get_upgrade() == b"websocket"

    def _should_upgrade(self) -> bool:
        return self.is_websocket

    def send_400_response(self, msg: str) -> None:
        """Answer a parser error and close the connection: 431 where the headers exceed MAX_HEADER_BYTES, else 400."""
        if self._header_bytes > MAX_HEADER_BYTES:
            self._reject(HeadersTooLarge(TOO_LARGE))
        else:
            self._reject(BadRequest(msg))

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > MAX_HEADER_BYTES:
            raise ValueError("too large")  # httptools turns it into an HttpParserError: see send_400_response

    def _start_timer(self) -> None:
        self._header_timer = self.loop.call_later(HEADER_TIMEOUT_SECONDS, self._time_out)

    def _stop_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _time_out(self) -> None:
        self._header_timer = None
        self._reject(RequestTimeout(f"The headers did not arrive within {HEADER_TIMEOUT_SECONDS:g} s."))

    def _reject(self, error: ApiError) -> None:
        if self.transport.is_closing():
            return
        content = orjson.dumps(error.body)
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(content)
        self.transport.write(STATUS_LINE[error.status] + head + content)
        self.transport.close()
