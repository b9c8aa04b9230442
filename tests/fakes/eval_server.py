"""An HTTP server on a real socket that returns scripted responses, one after the other."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

COGITATE = {"answer": "1", "stopped": "decided", "candidates": 4, "aborted_tokens": 5, "verifier_tokens": 0}
PLAIN: dict[str, object] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 0,
    "model": "m",
    "choices": [{"message": {"content": "\\boxed{1}"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


@asynccontextmanager
async def eval_server(*responses: tuple[int, object]) -> AsyncIterator[str]:
    """Yield the server's URL.

    Each response is a status and a body: bytes are sent unchanged, other values as JSON. The last one is repeated.
    """
    left: Sequence[tuple[int, object]] = responses

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((line.split()[1] for line in head.splitlines() if line.lower().startswith(b"content-length")), 0)
        await reader.readexactly(int(length))
        (status, body), *rest = left
        left = rest or left
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(data), data))
        writer.close()

    async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
