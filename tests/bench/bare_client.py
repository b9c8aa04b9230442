"""A minimal HTTP client on asyncio streams: for requests, streams that are closed early, and counters."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

Pipe = tuple[asyncio.StreamReader, asyncio.StreamWriter]
MAX_BUFFER_BYTES = 2**20


@dataclass(slots=True)
class BareClient:
    """Connections to one server, which are kept alive and reused."""

    url: str
    idle: list[Pipe] = field(default_factory=list)

    async def post(self, path: str, body: bytes) -> bytes:
        return (await self.request("POST", path, body))[1]

    async def get(self, path: str) -> bytes:
        return (await self.request("GET", path, b""))[1]

    async def request(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Return status and body of a response with a content-length."""
        reader, writer = await self._connect()
        writer.write(self._encode(method, path, body))
        status, length = parse_head(await reader.readuntil(b"\r\n\r\n"))
        response = await reader.readexactly(length or 0)
        self.idle.append((reader, writer))
        return status, response

    @asynccontextmanager
    async def stream(self, path: str, body: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
        """Yield the chunks of a chunked response as they arrive. Leaving before its end closes the connection."""
        reader, writer = await self._connect()
        writer.write(self._encode("POST", path, body))
        await reader.readuntil(b"\r\n\r\n")
        has_ended = False

        async def read_chunks() -> AsyncIterator[bytes]:
            nonlocal has_ended
            while size := int(await reader.readline(), 16):
                yield (await reader.readexactly(size + 2))[:-2]
            await reader.readexactly(2)
            has_ended = True

        try:
            yield read_chunks()
        finally:
            if has_ended:
                self.idle.append((reader, writer))
            else:
                writer.transport.abort()

    async def close(self) -> None:
        for _, writer in self.idle:
            writer.transport.abort()

    async def _connect(self) -> Pipe:
        if self.idle:
            return self.idle.pop()
        address = urlsplit(self.url)
        return await asyncio.open_connection(address.hostname, address.port, limit=MAX_BUFFER_BYTES)

    def _encode(self, method: str, path: str, body: bytes) -> bytes:
        headers = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        return f"{method} {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode() + body


def parse_head(head: bytes) -> tuple[int, int | None]:
    """Return the status, and the content-length where there is one."""
    lines = head.split(b"\r\n")
    lengths = [int(line.partition(b":")[2]) for line in lines if line.lower().startswith(b"content-length:")]
    return int(lines[0].split()[1]), lengths[0] if lengths else None
