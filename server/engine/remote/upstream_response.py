"""One call to an upstream, and its response, which is read within limits."""

from dataclasses import KW_ONLY, dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpx

from cogitate.server.engine.remote.config import Endpoint
from cogitate.server.engine.remote.decompress import ENCODINGS, Decompressor
from cogitate.server.engine.remote.errors import UpstreamFailed, UpstreamInterrupted
from cogitate.server.engine.remote.redact import Redactor
from cogitate.server.engine.remote.response_limit import MAX_RESPONSE_BYTES
from cogitate.server.engine.remote.transport import ResponseStream
from cogitate.server.engine.remote.validate import parse_json

if TYPE_CHECKING:
    from cogitate.server.engine.remote.replica import Replica

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
    required: frozenset[str] = frozenset()
    """Fields that the client itself sent: where the upstream refuses one, so is the request."""
    sequences: int = 1
    """How many the upstream decodes for it."""


@dataclass(slots=True)
class UpstreamResponse:
    """A response whose body is read within a size limit.

    `async with response:` closes it at the end and records its outcome in the replica's health. Closing it before its
    body is complete aborts the call, and so does forgetting it.
    """

    replica: "Replica"
    stream: ResponseStream
    max_bytes: int = MAX_RESPONSE_BYTES
    _: KW_ONLY
    request: UpstreamRequest
    call: int
    """The number of the call among those to the replica."""
    _bytes_read: int = 0
    _is_open: bool = True
    _decompressor: Decompressor | None = None

    def __post_init__(self) -> None:
        if self._find_header(b"content-encoding") in ENCODINGS:
            self._decompressor = Decompressor()

    @property
    def redactor(self) -> Redactor:
        """Remove the request and the key from what the upstream says about it."""
        key = self.replica.config.key
        return Redactor(key.get_secret_value() if key else None, self.request.body)

    def reason_to_reject(self) -> str | None:
        """Why the response is rejected by its headers, before its body is read; None: it is not."""
        length = self._find_header(b"content-length")
        if length.isdigit() and int(length) > self.max_bytes:
            return OVER_SIZE_LIMIT
        encoding = self._find_header(b"content-encoding")
        if encoding not in (b"", b"identity", *ENCODINGS):
            return "returned a response in a compression that was not accepted"
        return None

    def check_interruption(self) -> None:
        """Raise UpstreamInterrupted where a stream ended with [DONE] alone after a later call had begun.

        From then on the upstream gets one call at a time.
        """
        if self.replica.turns.started > self.call:
            self.replica.turns.is_serial = True
            raise UpstreamInterrupted

    def _find_header(self, name: bytes) -> bytes:
        """A header's value in lower case; empty where there is none."""
        return next((value.strip().lower() for key, value in self.stream.headers if key.lower() == name), b"")

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
            elif isinstance(error, UpstreamFailed) and not isinstance(error, UpstreamInterrupted):
                self.replica.record_failure(no_response=error.no_response)

    def __del__(self) -> None:
        if self._is_open:
            self._release()

    def _release(self) -> None:
        self._is_open = False
        self.replica.end_call(self.request)
        self.replica.turns.leave()

    async def read_chunk(self) -> bytes:
        """Return the next chunk of the body, empty at its end.

        Raises UpstreamFailed where the connection is lost, a timeout expires or the body is over the size limit.
        """
        chunk = await (self._read_raw() if self._decompressor is None else self._read_piece(self._decompressor))
        self._bytes_read += len(chunk)
        if self._bytes_read > self.max_bytes:
            raise UpstreamFailed(OVER_SIZE_LIMIT)
        return chunk

    async def _read_piece(self, decompressor: Decompressor) -> bytes:
        while not (piece := decompressor.read()):
            chunk = await self._read_raw()
            if not chunk:
                return decompressor.end()
            decompressor.feed(chunk)
        return piece

    async def _read_raw(self) -> bytes:
        try:
            return await self.stream.read_chunk()
        except httpx.TimeoutException:
            raise UpstreamFailed("timed out while sending its response", no_response=True) from None
        except httpx.TransportError:
            raise UpstreamFailed("closed the connection before the response was complete") from None

    async def read_reason(self) -> bytes:
        """Return the body of an error; empty where it is over the size limit or cannot be read."""
        try:
            return await self.read_body()
        except UpstreamFailed as error:
            if error.no_response:
                raise
            return b""

    async def read_body(self) -> bytes:
        """Return the complete body. Raises UpstreamFailed."""
        chunks = []
        while chunk := await self.read_chunk():
            chunks.append(chunk)
        return b"".join(chunks)

    async def read_json(self) -> Any:  # noqa: ANN401 JSON
        """Return the complete body, parsed. Raises UpstreamFailed."""
        return parse_json(await self.read_body())
