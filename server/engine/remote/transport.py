"""The pool of connections to upstreams, behind httpx's transport interface (`httpx.AsyncClient(transport=...)`).

This client is used in place of `aiohttp.ClientSession` for two reasons, with aiohttp 3.14.5 at its best settings (no
connection limit, no cookies, no decompression, keep-alive):

- It returns a response that arrives on an idle connection, such as the 408 that a proxy sends before it closes it,
  for the next request there. `test_late_unsolicited_response_is_not_returned_to_the_next_request` in
  tests/server/engine/remote/test_transport.py shows that this client does not.
- It misses two bars of `python -m tests.bench.remote_overhead --rounds 40`. Medians (ranges) of five runs each,
  alternating with this client, on 2 shared cores: 32 samples with a seed take 2.60 (2.26 to 2.82) times as long as bare
  calls, with this client 1.80 (1.73 to 2.29), bar 2.0; a vote with the default stop rule takes 1.052 (1.025 to 1.090)
  times as long, with this client 1.021 (1.007 to 1.026), bar 1.05.

A call takes 115 to 222 microseconds of processor time with aiohttp and 27 to 49 with this client (`python -m
tests.bench.http_clients`, 8 to 256 calls at a time). An `httpx.AsyncClient` around this transport takes another 160 to
260, for cookies, redirects and authentication that are not needed, so `exchange` is called directly.

There is no limit of connections to wait at: the calls in flight are limited by the requests that are admitted, so no
cancelled call can leave another one waiting. A cancelled call closes its connection.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx

from cogitate.server.engine.remote.connection import Connection, ConnectionBroken

Origin = tuple[str, str, int]
"""Scheme, host and port."""
KEEP_ALIVE_SECONDS = 30.0
"""How long an idle connection is reused."""
NO_TIMEOUT_SECONDS = 86_400.0


@dataclass(slots=True)
class Transport(httpx.AsyncBaseTransport):
    """Timeouts are those of httpx, in `request.extensions["timeout"]`: `connect` and `read`, in seconds.

    Two more are understood: `first` limits the wait for the response's head alone; `until` is the time of the event
    loop by which the response must be complete.
    """

    address: str | None = None
    """Connect to this one in place of the URL's host."""
    _idle: dict[Origin, list[Connection]] = field(default_factory=dict)
    _open: set[Connection] = field(default_factory=set)
    _tls: ssl.SSLContext | None = None
    _is_retired: bool = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.TransportError."""
        body = await request.aread()
        length = b"" if not body or "content-length" in request.headers else b"content-length: %d\r\n" % len(body)
        message = b"%b%b\r\n%b" % (encode_head(request), length, body)
        stream = await self.exchange(origin_of(request.url), message, CallTimeouts.of(request))
        return httpx.Response(stream.status, headers=stream.headers, stream=stream, request=request)

    async def exchange(self, origin: Origin, message: bytes, timeouts: "CallTimeouts") -> "ResponseStream":
        """Send an encoded request and read the head of its response. Raises httpx.TransportError.

        The server may have closed an idle connection just now: a request on a reused connection that is closed before
        the first byte of a response is sent again on another one.
        """
        while True:
            idle = self._take_idle(origin)
            connection = idle or await self._connect(origin, timeouts)
            connection.send(message)
            try:
                await connection.read_head(timeouts.for_head())
            except ConnectionBroken as error:
                if idle is not None and not connection.has_begun:
                    continue
                raise httpx.RemoteProtocolError("the connection was lost before a response") from error
            except TimeoutError:
                connection.release()
                raise httpx.ReadTimeout("no response in time") from None
            except asyncio.CancelledError:
                connection.release()
                raise
            return ResponseStream(connection, timeouts, connection.status, connection.headers)

    def retire(self) -> None:
        """Close idle connections now, and the others when their responses are complete."""
        self._is_retired = True
        for connection in [each for idle in self._idle.values() for each in idle]:
            connection.close()

    async def aclose(self) -> None:
        for connection in list(self._open):
            connection.close()
        while self._open:  # noqa: ASYNC110 a transport has no event for its end
            await asyncio.sleep(0)

    @property
    def connection_count(self) -> int:
        """Open connections, in use and idle."""
        return len(self._open)

    def _take_idle(self, origin: Origin) -> Connection | None:
        """Return the idle connection used last, so that surplus ones expire; None where there is none."""
        idle = self._idle.get(origin)
        oldest = asyncio.get_running_loop().time() - KEEP_ALIVE_SECONDS
        while idle:
            connection = idle.pop()
            if connection.error is None and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    async def _connect(self, origin: Origin, timeouts: "CallTimeouts") -> Connection:
        scheme, host, port = origin
        loop = asyncio.get_running_loop()

        def add_idle(connection: Connection) -> None:
            if self._is_retired:
                connection.close()
                return
            connection.idle_since = loop.time()
            self._idle.setdefault(origin, []).append(connection)

        def forget(connection: Connection) -> None:
            self._open.discard(connection)
            if connection in (idle := self._idle.get(origin, [])):
                idle.remove(connection)

        try:
            async with asyncio.timeout(timeouts.for_connect()):
                tls = self._tls_context() if scheme == "https" else None
                _, connection = await loop.create_connection(
                    lambda: Connection(add_idle, forget), self.address or host, port, ssl=tls
                )
        except TimeoutError:
            raise httpx.ConnectTimeout("no connection in time") from None
        except OSError as error:
            raise httpx.ConnectError("no connection") from error
        self._open.add(connection)
        return connection

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = httpx.create_ssl_context()
        return self._tls


def encode_head(request: httpx.Request) -> bytes:
    """Encode the request line and the headers, without the empty line that ends them."""
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%b: %b" % header for header in request.headers.raw]
    return b"\r\n".join([*lines, b""])


def origin_of(url: httpx.URL) -> Origin:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


@dataclass(slots=True)
class CallTimeouts:
    """The timeouts of one call, in seconds, and its deadline, a time of the event loop."""

    connect: float
    first_byte: float
    idle: float
    deadline: float

    @classmethod
    def of(cls, request: httpx.Request) -> "CallTimeouts":
        given = request.extensions.get("timeout", {})
        read = given.get("read") or NO_TIMEOUT_SECONDS
        deadline = given.get("until") or asyncio.get_running_loop().time() + NO_TIMEOUT_SECONDS
        return cls(given.get("connect") or NO_TIMEOUT_SECONDS, given.get("first") or read, read, deadline)

    def for_connect(self) -> float:
        """Seconds that remain to connect."""
        return min(self.connect, self._remaining())

    def for_head(self) -> float:
        """Seconds that remain to wait for the head."""
        return min(self.first_byte, self._remaining())

    def for_chunk(self) -> float:
        """Seconds that remain to wait for the next chunk."""
        return min(self.idle, self._remaining())

    def _remaining(self) -> float:
        return self.deadline - asyncio.get_running_loop().time()


@dataclass(slots=True)
class ResponseStream(httpx.AsyncByteStream):
    """A response's status and headers, and its body as it arrives.

    Closing it before the body is complete closes the connection, and so does forgetting it.
    """

    connection: Connection | None
    timeouts: CallTimeouts
    status: int
    headers: list[tuple[bytes, bytes]]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := await self.read_chunk():
            yield chunk

    async def read_chunk(self) -> bytes:
        """Return the next chunk of the body, empty at its end. Raises httpx.TransportError."""
        if self.connection is None:
            return b""
        try:
            chunk = await self.connection.read_chunk(self.timeouts.for_chunk())
        except TimeoutError:
            self.abort()
            raise httpx.ReadTimeout("no further data in time") from None
        except ConnectionBroken as error:
            self.abort()
            raise httpx.ReadError("the connection was lost before the response was complete") from error
        if self.connection.is_drained:
            self.abort()
        return chunk

    def abort(self) -> None:
        """Release the connection, which is closed unless the response is complete."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.release()

    async def aclose(self) -> None:
        self.abort()

    def __del__(self) -> None:
        self.abort()
