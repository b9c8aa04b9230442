"""A bare asyncio HTTP client: what one would write by hand to make N upstream calls. The yardstick."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

Pipe = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Bare:
    """Connections to one server, kept alive and used again."""

    url: str
    idle: list[Pipe] = field(default_factory=list)

    async def post(self, path: str, body: bytes) -> bytes:
        return (await self.ask("POST", path, body))[1]

    async def get(self, path: str) -> bytes:
        return (await self.ask("GET", path, b""))[1]

    async def ask(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of an answer that comes whole."""
        reader, writer = await self._pipe()
        writer.write(self._head(method, path, body) + body)
        status, length = header(await reader.readuntil(b"\r\n\r\n"))
        answer = await reader.readexactly(length or 0)
        self.idle.append((reader, writer))
        return status, answer

    @asynccontextmanager
    async def stream(self, path: str, body: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines of an answer as they come. Leaving before the end hangs up."""
        reader, writer = await self._pipe()
        writer.write(self._head("POST", path, body) + body)
        await reader.readuntil(b"\r\n\r\n")
        ended = False

        async def lines() -> AsyncIterator[bytes]:
            nonlocal ended
            while size := int(await reader.readline(), 16):
                yield (await reader.readexactly(size + 2))[:-2]
            await reader.readexactly(2)
            ended = True

        try:
            yield lines()
        finally:
            if ended:
                self.idle.append((reader, writer))
            else:
                writer.transport.abort()

    async def close(self) -> None:
        for _, writer in self.idle:
            writer.transport.abort()

    async def _pipe(self) -> Pipe:
        if self.idle:
            return self.idle.pop()
        at = urlsplit(self.url)
        return await asyncio.open_connection(at.hostname, at.port, limit=2**20)

    def _head(self, method: str, path: str, body: bytes) -> bytes:
        kind = "Host: localhost\r\nContent-Type: application/json"
        said = f"{method} {path} HTTP/1.1\r\n{kind}\r\nContent-Length: {len(body)}"
        return said.encode() + b"\r\n\r\n"


def header(said: bytes) -> tuple[int, int | None]:
    """The status, and the length of the body where it is told."""
    lines = said.split(b"\r\n")
    lengths = [int(line.partition(b":")[2]) for line in lines if line.lower().startswith(b"content-length:")]
    return int(lines[0].split()[1]), lengths[0] if lengths else None
