"""One upstream in use: its connection pool, its key, its calls in flight, its health, and what it refuses."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import httpx

from cogitate.server.engine.remote.config import Endpoint, Timeouts, UpstreamConfig
from cogitate.server.engine.remote.dialects.refusals import RefusedFields
from cogitate.server.engine.remote.errors import UpstreamBusy, UpstreamFailed, error_from_status
from cogitate.server.engine.remote.health import Health
from cogitate.server.engine.remote.prefix_memory import PrefixMemory
from cogitate.server.engine.remote.serial_calls import SerialCalls
from cogitate.server.engine.remote.transport import (
    CallTimeouts,
    Origin,
    ResponseStream,
    Transport,
    encode_head,
    origin_of,
)
from cogitate.server.engine.remote.upstream_response import UpstreamRequest, UpstreamResponse
from cogitate.server.engine.trace_headers import encode_trace_headers
from cogitate.server.errors import ApiError

MAX_ERROR_BODY_BYTES = 64 * 1024
BAD_REQUEST_STATUSES = (400, 413, 422)
REFUSAL_STATUSES = (400, 422)
"""Where the upstream may have named a field that it does not take."""


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
    sequences: int = 0
    """What the calls in flight decode: one call may be for many."""
    prefixes: PrefixMemory = field(default_factory=PrefixMemory)
    retries: int = 0
    """Failed calls that were sent again, to another one."""
    refused: RefusedFields = field(default_factory=RefusedFields)
    turns: SerialCalls = field(default_factory=SerialCalls)
    _heads: dict[tuple[Endpoint, bool], tuple[Origin, bytes]] = field(default_factory=dict)
    """The origin and the encoded request head of each endpoint: the same for every call."""
    name: str = field(init=False)
    """Its URL, with its own address in place of a DNS name."""
    hash: int = field(init=False)
    """Of its name, the same in every process."""

    def __post_init__(self) -> None:
        self.name = self.config.name
        self.hash = int.from_bytes(hashlib.blake2b(self.name.encode(), digest_size=8).digest())
        self.transport.address = self.config.address

    def is_accepting(self, now: float) -> bool:
        """Whether it may get a call now: it is not busy, and on trial it gets one call at a time."""
        return self.health.busy_until <= now and not (self.health.on_trial and self.in_flight)

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Send a request; returns its response with status 200, of which the head has been read.

        Raises:
            UpstreamFailed, UpstreamBusy: another replica may succeed.
            ApiError: every replica would reject the request.
        """
        while True:
            adapted = self._adapt(request)
            response = await self._open(adapted)
            status = response.stream.status
            if status == 200:
                break
            error, body = await self._read_error(response, adapted)
            if not (status in REFUSAL_STATUSES and self.refused.learn(body, adapted.body, request.required)):
                raise error
        if reason := response.reason_to_reject():
            async with response:
                raise UpstreamFailed(reason)
        return response

    def _adapt(self, request: UpstreamRequest) -> UpstreamRequest:
        body = self.refused.adapt(request.body, request.required)
        return request if body is request.body else replace(request, body=body)

    async def _open(self, request: UpstreamRequest) -> UpstreamResponse:
        """Send a request; returns its response, of any status, of which the head has been read."""
        self.begin_call(request)
        call, response = 0, None
        try:
            call = await self.turns.take(request.deadline)
            stream = await self._exchange(request)
            limit = request.max_bytes if stream.status == 200 else MAX_ERROR_BODY_BYTES
            response = UpstreamResponse(self, stream, limit, request=request, call=call)
        except httpx.TransportError as error:
            raise self._record_connection_error(error) from error
        except TimeoutError:
            raise UpstreamFailed("had no time left for this call") from None
        finally:
            if response is None:
                self.end_call(request)
                if call:
                    self.turns.leave()
        return response

    async def _read_error(self, response: UpstreamResponse, request: UpstreamRequest) -> tuple[ApiError, bytes]:
        """Return the error of a response whose status is not 200, and its body where that is a reason for the client.

        Raises UpstreamFailed where another replica may succeed.
        """
        async with response:
            status, headers = response.stream.status, httpx.Headers(response.stream.headers)
            body = await response.read_reason() if status in BAD_REQUEST_STATUSES else b""
            error = error_from_status(status, headers, body, response.redactor)
            if isinstance(error, UpstreamBusy):
                self.health.busy_until = asyncio.get_running_loop().time() + error.retry_after
            if isinstance(error, UpstreamFailed):
                raise error  # inside, so that the replica's health counts it
        return error, body

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

    def begin_call(self, request: UpstreamRequest) -> None:
        self.in_flight += 1
        self.sequences += request.sequences

    def end_call(self, request: UpstreamRequest) -> None:
        self.in_flight -= 1
        self.sequences -= request.sequences

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
        for header in encode_trace_headers() if request.body else ():
            head += b"%b: %b\r\n" % header
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
