"""One upstream in use: its connection pool, its key, its calls in flight and its health; and its responses."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NoReturn, Self

import httpx

from cogitate.server.engine.remote.config import Endpoint, Timeouts, UpstreamConfig
from cogitate.server.engine.remote.errors import UpstreamBusy, UpstreamFailed, error_from_status
from cogitate.server.engine.remote.health import Health
from cogitate.server.engine.remote.response_limit import MAX_RESPONSE_BYTES
from cogitate.server.engine.remote.transport import (
    CallTimeouts,
    Origin,
    ResponseStream,
    Transport,
    encode_head,
    origin_of,
)
from cogitate.server.engine.remote.validate import parse_json

MAX_ERROR_BODY_BYTES = 64 * 1024
OVER_SIZE_LIMIT = "returned a response over the size limit"


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """One call. Without a body it is a GET."""

    endpoint: Endpoint
    body: bytes
    deadline: float
    """Time of the event loop by which the response must be complete."""
    stream: bool = False
    """The response is streamed, so its first byte comes early."""
    max_bytes: int = MAX_RESPONSE_BYTES
    """Limit of the response's body."""


@dataclass(slots=True, eq=False)
class Replica:
    """Sends requests to one upstream, and records their outcome in its health."""

    config: UpstreamConfig
    timeouts: Timeouts
    on_unhealthy: Callable[["Replica", bool], None]
    """Called when it should be ejected, with whether it gave no response; decides whether it is."""
    health: Health = field(default_factory=Health)
    transport: Transport = field(default_factory=Transport)
    in_flight: int = 0
    _heads: dict[tuple[Endpoint, bool], tuple[Origin, bytes]] = field(default_factory=dict)
    """The origin and the encoded request head of each endpoint: the same for every call."""

    def is_accepting(self, now: float) -> bool:
        """Whether it may get a call now: it is not busy, and on trial it gets one call at a time."""
        return self.health.busy_until <= now and not (self.health.on_trial and self.in_flight)

    async def send(self, request: UpstreamRequest) -> "UpstreamResponse":
        """Send a request; returns its response with status 200, of which the head has been read.

        Raises:
            UpstreamFailed, UpstreamBusy: another replica may succeed.
            ApiError: every replica would reject the request.
        """
        self.in_flight += 1
        response = None
        try:
            stream = await self._exchange(request)
            status, headers = stream.status, stream.headers
            limit = request.max_bytes if status == 200 else MAX_ERROR_BODY_BYTES
            response = UpstreamResponse(self, stream, limit)
        except httpx.TransportError as error:
            raise self._record_connection_error(error) from error
        finally:
            if response is None:
                self.in_flight -= 1
        if status != 200:
            await self._raise_for_status(response, status, httpx.Headers(headers))
        if reason := reason_to_reject(headers, request.max_bytes):
            async with response:
                raise UpstreamFailed(reason)
        return response

    async def _raise_for_status(self, response: "UpstreamResponse", status: int, headers: httpx.Headers) -> NoReturn:
        async with response:
            body = await response.read_body() if status in (400, 413, 422) else b""
            error = error_from_status(status, headers, body)
            if isinstance(error, UpstreamBusy):
                self.health.busy_until = asyncio.get_running_loop().time() + error.retry_after
            if isinstance(error, UpstreamFailed):
                raise error  # inside, so that the replica's health counts it
        raise error

    async def is_alive(self) -> bool:
        """Whether it responds to a request for its models, within the connect timeout, with neither 3xx nor 5xx."""
        deadline = asyncio.get_running_loop().time() + self.timeouts.connect
        try:
            stream = await self._exchange(UpstreamRequest("models", b"", deadline))
        except httpx.TransportError:
            return False
        status = stream.status
        stream.abort()
        return not 300 <= status < 400 and status < 500

    def record_success(self) -> None:
        self.health.record_success()

    def record_failure(self, *, no_response: bool, refused: bool = False) -> None:
        if self.health.record_failure(refused=refused):
            self.on_unhealthy(self, no_response)

    def _record_connection_error(self, error: httpx.TransportError) -> UpstreamFailed:
        refused = isinstance(error, httpx.ConnectError)
        self.record_failure(no_response=True, refused=refused)
        return UpstreamFailed("cannot be reached" if refused else "did not respond", no_response=True)

    async def _exchange(self, request: UpstreamRequest) -> ResponseStream:
        """Send a request and read the head of its response. Raises httpx.TransportError."""
        origin, head = self._encode_head(request.endpoint, has_body=bool(request.body))
        timeouts = self.timeouts
        first_byte = timeouts.idle if request.stream else timeouts.response_start
        call_timeouts = CallTimeouts(timeouts.connect, first_byte, timeouts.idle, request.deadline)
        message = b"%bcontent-length: %d\r\n\r\n%b" % (head, len(request.body), request.body)
        return await self.transport.exchange(origin, message, call_timeouts)

    def _encode_head(self, endpoint: Endpoint, *, has_body: bool) -> tuple[Origin, bytes]:
        """The request line and the headers but content-length, as httpx encodes them."""
        if (endpoint, has_body) not in self._heads:
            key = self.config.key
            headers = {
                "accept": "application/json, text/event-stream",
                "accept-encoding": "identity",
                "content-type": "application/json",
                "user-agent": "cogitate",
                **({"authorization": f"Bearer {key.get_secret_value()}"} if key else {}),
            }
            url = self.config.endpoint_url(endpoint)
            request = httpx.Request("POST" if has_body else "GET", url, headers=headers)
            request.headers.pop("content-length", None)
            self._heads[endpoint, has_body] = origin_of(request.url), encode_head(request)
        return self._heads[endpoint, has_body]


def reason_to_reject(headers: list[tuple[bytes, bytes]], max_bytes: int) -> str | None:
    """Why a response is rejected by its headers, before its body is read; None: it is not."""
    for name, value in headers:
        match name.lower():
            case b"content-encoding" if value != b"identity":
                return "returned a compressed response, which was not accepted"
            case b"content-length" if int(value) > max_bytes:
                return OVER_SIZE_LIMIT
    return None


@dataclass(slots=True)
class UpstreamResponse:
    """A response whose body is read within a size limit.

    `async with response:` closes it at the end and records its outcome in the replica's health. Closing it before its
    body is complete aborts the call, and so does forgetting it.
    """

    replica: Replica
    stream: ResponseStream
    max_bytes: int = MAX_RESPONSE_BYTES
    _bytes_read: int = 0
    _is_open: bool = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType) -> None:
        self.close(error)

    def close(self, error: BaseException | None = None) -> None:
        """Close the response; `error` is why, where it was not read to its end."""
        if self._is_open:
            self._release()
            self.stream.abort()
            if error is None:
                self.replica.record_success()
            elif isinstance(error, UpstreamFailed):
                self.replica.record_failure(no_response=error.no_response)

    def __del__(self) -> None:
        if self._is_open:
            self._release()

    def _release(self) -> None:
        self._is_open = False
        self.replica.in_flight -= 1

    async def read_chunk(self) -> bytes:
        """Return the next chunk of the body, empty at its end.

        Raises UpstreamFailed where the connection is lost, a timeout expires or the body is over the size limit.
        """
        try:
            chunk = await self.stream.read_chunk()
        except httpx.TimeoutException:
            raise UpstreamFailed("timed out while sending its response", no_response=True) from None
        except httpx.TransportError:
            raise UpstreamFailed("closed the connection before the response was complete") from None
        self._bytes_read += len(chunk)
        if self._bytes_read > self.max_bytes:
            raise UpstreamFailed(OVER_SIZE_LIMIT)
        return chunk

    async def read_body(self) -> bytes:
        """Return the complete body. Raises UpstreamFailed."""
        chunks = []
        while chunk := await self.read_chunk():
            chunks.append(chunk)
        return b"".join(chunks)

    async def read_json(self) -> Any:  # noqa: ANN401 JSON
        """Return the complete body, parsed. Raises UpstreamFailed."""
        return parse_json(await self.read_body())
