"""The connections to upstreams, behind httpx's transport interface: `httpx.AsyncClient(transport=Transport())` works.

`python -m tests.bench.http_clients` says why it is here: a call through httpx's own transport takes more than ten times
the CPU, and through its aiohttp one (where `httpx-aiohttp` is installed) more than three times. A client around this
one more than doubles it, for cookies, redirects and authentication that are not wanted, so it is called directly.

There is no limit to wait at: what is in flight is bounded by what is admitted, so a cancelled call can leave nobody
waiting in line. A cancelled call closes its connection.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx

from cogitate.server.engine.remote.connection import Broken, Connection

Origin = tuple[str, str, int]
KEEP_ALIVE = 30.0
"""Seconds that a connection is kept without work."""
FOREVER = 86_400.0


@dataclass(slots=True)
class Transport(httpx.AsyncBaseTransport):
    """Timeouts are httpx's: `request.extensions["timeout"]`, with connect and read in seconds.

    Beside them `first` bounds the wait for the head alone, and `until` is a time of the loop when all ends.
    """

    _free: dict[Origin, list[Connection]] = field(default_factory=dict)
    _open: set[Connection] = field(default_factory=set)
    _tls: ssl.SSLContext | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.TransportError."""
        body = await request.aread()
        length = b"" if not body or "content-length" in request.headers else b"content-length: %d\r\n" % len(body)
        message = b"%b%b\r\n%b" % (begun(request), length, body)
        incoming = await self.exchange(origin_of(request.url), message, Waits.of(request))
        return httpx.Response(incoming.status, headers=incoming.headers, stream=incoming, request=request)

    async def exchange(self, origin: "Origin", message: bytes, waits: "Waits") -> "Incoming":
        """The answer to a request that is written out already. Raises httpx.TransportError."""
        connection = await self._answered(origin, message, waits)
        return Incoming(connection, waits, connection.status, connection.headers)

    async def aclose(self) -> None:
        for connection in list(self._open):
            connection.close()
        while self._open:  # noqa: ASYNC110 a transport has no event for its end
            await asyncio.sleep(0)

    @property
    def open(self) -> int:
        """Connections, in use and waiting for work."""
        return len(self._open)

    async def _answered(self, origin: Origin, message: bytes, waits: "Waits") -> Connection:
        """A connection on which the head of the answer has come.

        A connection that was kept may have been closed by the other side just now: then another is tried.
        """
        while True:
            kept = self._kept(origin)
            connection = kept or await self._connected(origin, waits)
            connection.send(message)
            try:
                await connection.head(waits.first())
            except Broken as error:
                if kept is not None and not connection.begun:
                    continue
                raise httpx.RemoteProtocolError("the connection was lost before an answer") from error
            except TimeoutError:
                connection.release()
                raise httpx.ReadTimeout("no answer in time") from None
            except asyncio.CancelledError:
                connection.release()
                raise
            return connection

    def _kept(self, origin: Origin) -> Connection | None:
        """The connection used last: the others may grow old. None where there is none."""
        free = self._free.get(origin)
        oldest = asyncio.get_running_loop().time() - KEEP_ALIVE
        while free:
            connection = free.pop()
            if connection.lost is None and connection.freed_at > oldest:
                return connection
            connection.close()
        return None

    async def _connected(self, origin: Origin, waits: "Waits") -> Connection:
        scheme, host, port = origin
        loop = asyncio.get_running_loop()

        def free(connection: Connection) -> None:
            connection.freed_at = loop.time()
            self._free.setdefault(origin, []).append(connection)

        def lost(connection: Connection) -> None:
            self._open.discard(connection)
            if connection in (free := self._free.get(origin, [])):
                free.remove(connection)

        try:
            async with asyncio.timeout(waits.connect()):
                tls = self._context() if scheme == "https" else None
                _, connection = await loop.create_connection(lambda: Connection(free, lost), host, port, ssl=tls)
        except TimeoutError:
            raise httpx.ConnectTimeout("no connection in time") from None
        except OSError as error:
            raise httpx.ConnectError("no connection") from error
        self._open.add(connection)
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = httpx.create_ssl_context()
        return self._tls


def begun(request: httpx.Request) -> bytes:
    """The request line and the headers as they go over the wire."""
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%b: %b" % header for header in request.headers.raw]
    return b"\r\n".join([*lines, b""])


def origin_of(url: httpx.URL) -> Origin:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


@dataclass(slots=True)
class Waits:
    """How long to wait, in seconds, for one request."""

    to_connect: float
    to_begin: float
    to_go_on: float
    until: float

    @classmethod
    def of(cls, request: httpx.Request) -> "Waits":
        said = request.extensions.get("timeout", {})
        read = said.get("read") or FOREVER
        end = said.get("until") or asyncio.get_running_loop().time() + FOREVER
        return cls(said.get("connect") or FOREVER, said.get("first") or read, read, end)

    def connect(self) -> float:
        return min(self.to_connect, self._left())

    def first(self) -> float:
        return min(self.to_begin, self._left())

    def next(self) -> float:
        return min(self.to_go_on, self._left())

    def _left(self) -> float:
        return self.until - asyncio.get_running_loop().time()


@dataclass(slots=True)
class Incoming(httpx.AsyncByteStream):
    """A body as it comes. Closing it before its end closes the connection; so does forgetting it."""

    connection: Connection | None
    waits: Waits
    status: int
    headers: list[tuple[bytes, bytes]]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self.piece():
            yield piece

    async def piece(self) -> bytes:
        """The next of the body, empty at its end. Raises httpx.TransportError."""
        if self.connection is None:
            return b""
        try:
            piece = await self.connection.piece(self.waits.next())
        except TimeoutError:
            self.abort()
            raise httpx.ReadTimeout("no more of the answer in time") from None
        except Broken as error:
            self.abort()
            raise httpx.ReadError("the connection was lost amid the answer") from error
        if self.connection.drained:
            self.abort()
        return piece

    def abort(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.release()

    async def aclose(self) -> None:
        self.abort()

    def __del__(self) -> None:
        self.abort()
