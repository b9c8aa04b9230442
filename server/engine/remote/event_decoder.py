"""Decodes a stream of server-sent events into the payloads of its events.

As the standard says, an event ends at an empty line and may have several `data:` lines. Beyond it: the last event may
lack its empty line, or even the end of its own line; events may follow each other without empty lines, which is seen
where a first `data:` line is complete JSON; and a body that is no stream at all is one payload, since some upstreams do
not stream although they were asked to.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

from cogitate.server.engine.remote.errors import UpstreamFailed

DONE = b"[DONE]"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MAX_LINE_BYTES = 4 * 1024 * 1024


@dataclass(slots=True)
class EventDecoder:
    """Splits chunks of a stream into payloads; buffers an incomplete event."""

    _incomplete: bytes = b""
    _data: list[bytes] = field(default_factory=list)
    """The `data:` lines of the event so far."""
    _data_bytes: int = 0
    _body: list[bytes] | None = None
    """The lines of a body that is no stream, once it began as one."""
    _is_stream: bool = False
    _has_begun: bool = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Return the payloads that `chunk` completes. Raises UpstreamFailed for an event over MAX_LINE_BYTES."""
        if not self._has_begun and len(self._incomplete) + len(chunk) >= len(BYTE_ORDER_MARK):
            self._incomplete = (self._incomplete + chunk).removeprefix(BYTE_ORDER_MARK)
            self._has_begun, chunk = True, b""
        *lines, self._incomplete = (self._incomplete + chunk).split(b"\n")
        if len(self._incomplete) + self._data_bytes > MAX_LINE_BYTES:
            raise UpstreamFailed("returned a line over the size limit")
        return self._decode(lines)

    def end(self) -> Iterator[bytes]:
        """Return the payloads that the end of the stream completes."""
        last, self._incomplete = self._incomplete, b""
        yield from self._decode([last, b""] if last else [b""])
        if self._body and not self._is_stream:
            yield b"\n".join(self._body)
        self._body = None

    def _decode(self, lines: list[bytes]) -> Iterator[bytes]:
        for line in lines:
            if line.startswith(b"data:"):
                self._is_stream = True
                if len(self._data) == 1 and is_complete(self._data[0]) and (payload := self._take_event()):
                    yield payload
                self._add(line[5:].strip())
            elif not line.strip():
                if self._data and (payload := self._take_event()):
                    yield payload
            elif not self._is_stream:
                self._add_to_body(line)

    def _add(self, payload: bytes) -> None:
        self._data.append(payload)
        self._data_bytes += len(payload)
        if self._data_bytes > MAX_LINE_BYTES:
            raise UpstreamFailed("returned a line over the size limit")

    def _add_to_body(self, line: bytes) -> None:
        if self._body is not None:
            self._body.append(line)
        elif line.lstrip().startswith(b"{"):
            self._body = [line]

    def _take_event(self) -> bytes:
        data, self._data, self._data_bytes = self._data, [], 0
        return data[0] if len(data) == 1 else b"\n".join(data).strip()


def is_complete(payload: bytes) -> bool:
    """Whether a payload is an event by itself, and no part of one."""
    if payload == DONE or not payload:
        return True
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        return False
    return True
