"""Server-Sent Events, as OpenAI-compatible servers send them: lines, of which only data matters."""

from collections.abc import Iterator
from dataclasses import dataclass

from cogitate.server.engine.remote.errors import Lost

DONE = b"[DONE]"
LONGEST_LINE = 4 * 1024 * 1024


@dataclass(slots=True)
class Lines:
    """Cuts what has come into payloads of data lines; keeps the line that has not ended."""

    rest: bytes = b""

    def cut(self, piece: bytes) -> Iterator[bytes]:
        """Raises Lost for a line that does not end."""
        *lines, self.rest = (self.rest + piece).split(b"\n")
        if len(self.rest) > LONGEST_LINE:
            raise Lost("sent a line that does not end")
        return payloads(lines)


def payloads(lines: list[bytes]) -> Iterator[bytes]:
    for line in lines:
        if line.startswith(b"data:"):
            yield line[5:].strip()


def whole(stream: bytes) -> list[bytes]:
    """The payloads of the lines that have ended."""
    return list(payloads(stream.split(b"\n")[:-1]))
