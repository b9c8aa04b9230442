"""A minimal HTTP/1.1 server connection: httptools on asyncio's protocol interface."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import httptools

REASONS = {200: "OK", 302: "Found", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


@dataclass(frozen=True, slots=True)
class Request:
    """A request of a client. `headers`: names in lower case."""

    path: str
    body: bytes
    headers: dict[bytes, bytes]


class Serve(Protocol):
    """Handles a request: returns the encoded response, or a coroutine that writes it to the connection."""

    def __call__(self, request: Request, connection: "Connection") -> bytes | Coroutine[Any, Any, None]: ...


class OnDisconnect(Protocol):
    """Called when the client has disconnected; `busy`: before its response was complete."""

    def __call__(self, connection: "Connection", *, busy: bool) -> None: ...


@dataclass(slots=True, eq=False, repr=False)
class Connection(asyncio.Protocol):
    """A connection of a client. Handles one request at a time; HTTP pipelining is not supported."""

    serve: Serve
    on_disconnect: OnDisconnect
    transport: asyncio.Transport = field(init=False)
    _parser: httptools.HttpRequestParser = field(init=False)
    _path: str = ""
    _headers: dict[bytes, bytes] = field(default_factory=dict)
    _body: bytearray = field(default_factory=bytearray)
    _task: "asyncio.Task[None] | None" = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()
        self.on_disconnect(self, busy=self._task is not None)

    def on_url(self, url: bytes) -> None:
        self._path = url.decode()
        self._headers, self._body = {}, bytearray()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        response = self.serve(Request(self._path, bytes(self._body), self._headers), self)
        if isinstance(response, bytes):
            self.transport.write(response)
            return
        self._task = asyncio.get_running_loop().create_task(response)
        self._task.add_done_callback(self._finish)

    def _finish(self, task: "asyncio.Task[None]") -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self.transport.abort()
            raise error

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def write_chunk(self, data: bytes) -> None:
        """Write a chunk of a chunked body."""
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))


def encode_response(status: int, body: bytes, *headers: str) -> bytes:
    """Encode a JSON response. `headers`: further header lines."""
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Error')}", "content-type: application/json"]
    return "\r\n".join([*lines, *headers, f"content-length: {len(body)}", "", ""]).encode() + body


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
