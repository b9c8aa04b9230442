"""A server that says what it is told to, one answer after the other, on a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

FOUND = {"answer": "1", "stopped": "decided", "candidates": 4, "aborted_tokens": 5, "verifier_tokens": 0}
PLAIN: dict[str, object] = {
    "choices": [{"message": {"content": "\\boxed{1}"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}


@asynccontextmanager
async def answering(*answers: tuple[int, object]) -> AsyncIterator[str]:
    """Its URL. Each answer is a status and a body, bytes as they are, all else as JSON; the last one is repeated."""
    left: Sequence[tuple[int, object]] = answers

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((line.split()[1] for line in head.splitlines() if line.lower().startswith(b"content-length")), 0)
        await reader.readexactly(int(length))
        (status, body), *rest = left
        left = rest or left
        said = body if isinstance(body, bytes) else json.dumps(body).encode()
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(said), said))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
