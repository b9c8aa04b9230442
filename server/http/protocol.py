"""uvicorn's HTTP protocol with what it leaves open: a bound on headers in size and in time, and our envelope.

Without it a client may send headers without end, or one byte a minute, and what is no HTTP is answered in plain text.
And what was asked before, byte for byte, is answered from here (encores.py).
"""

import asyncio
import time

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from cogitate.server.errors import ApiError, BadRequest, HeadersTooLarge, TooSlow
from cogitate.server.http.encores import LONGEST, Encores, Said
from cogitate.server.http.upgrade_parser import Staying

MOST_BYTES = 64 * 1024
"""Of a request's target and headers together."""
SECONDS = 10.0
"""For all of them to come, from the connection's first moment or from the end of the answer before."""
UNSENT = 16 * 1024
"""Bytes that are kept for a client behind what the kernel keeps, before a stream waits for it."""
PAUSE = 0.02
"""Seconds that the first part of a request is kept back while the second, which makes it a known one, is awaited."""


class Receiving(HttpToolsProtocol):
    """One connection."""

    parser: Staying
    _bytes = 0
    _timer: asyncio.TimerHandle | None = None
    _encores: Encores | None = None
    _parsing = False
    """Some of a request has been parsed, and not all of it."""
    _parts: tuple[bytes, ...] = ()
    """The request as it came, while it may be one to remember."""
    _rested = 0.0
    """When it last began to wait for a request behind an answer that was given from here."""
    _held = b""
    _release: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.parser = Staying(self)
        self._encores = self.app_state.get("encores")
        transport.set_write_buffer_limits(UNSENT)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._let_go()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        encores, whole = self._encores, self._let_go() + data if self._held else data
        if encores is None or not self._between:
            return self._parse(whole)
        began = time.perf_counter()
        if (encore := encores.find(whole)) is not None:
            # With no room to buffer in, uvloop sends at once and not when this is over: nobody waits for the counting.
            self.transport.set_write_buffer_limits(0)
            names = encore.names()
            self.transport.write(encores.again(encore, names, self.server_state.default_headers))
            self.transport.set_write_buffer_limits(UNSENT)
            self._rest()
            return encores.count(encore, names[0], time.perf_counter() - began)
        if whole is data and encores.begins(data):
            self._held, self._release = data, self.loop.call_later(PAUSE, self._go_on)
            return None
        if whole is not data:
            self._parse(whole[: -len(data)])
        return self._parse(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._parsing = True
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
        if self.parser.offered:
            return
        super().on_message_complete()
        self._parsing = False

    def _should_upgrade(self) -> bool:
        return False

    @property
    def _between(self) -> bool:
        """Nothing of a request has come, and everything of the answers before has gone."""
        answered = self.cycle is None or self.cycle.response_complete
        return answered and not self._parsing and not self.pipeline and not self.flow.write_paused

    def _parse(self, data: bytes) -> None:
        """Lets uvicorn parse it, and tells the request, once it has come whole, what it looked like."""
        first = not self._parsing
        self._parts = (data,) if first else (*self._parts, data)[:3]
        super().data_received(data)
        whole = len(self._parts) < 3 and not self._parsing and self.scope is not None
        if whole and sum(map(len, self._parts)) <= LONGEST and self._repeatable:
            self.scope["state"]["said"] = Said(b"".join(self._parts), len(self._parts[0]))

    @property
    def _repeatable(self) -> bool:
        """The connection may go on behind this request, and nobody is promised anything."""
        return self.cycle.keep_alive and not self.expect_100_continue and not self.pipeline

    def _rest(self) -> None:
        """The connection waits for the next request, as it does behind any answer, but the timer that runs stays.

        Ending one and beginning another takes longer than all the rest of such an answer.
        """
        self._stop_waiting()
        self._rested = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._wait_for_more(self.timeout_keep_alive)

    def _wait_for_more(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        left = self._rested + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            return self._wait_for_more(left)
        return super().timeout_keep_alive_handler()

    def _let_go(self) -> bytes:
        """What was kept back, to be parsed after all."""
        held, self._held = self._held, b""
        if self._release is not None:
            self._release.cancel()
            self._release = None
        return held

    def _go_on(self) -> None:
        self._parse(self._let_go())

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
