"""An upstream that sends recorded response shapes of one provider, and refuses the fields that the provider refuses."""

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Self

import orjson

from tests.fakes.upstream.connection import STREAM_HEAD, Connection, Request, encode_response

Shape = dict[str, Any]


@dataclass(slots=True, repr=False)
class RecordedUpstream:
    """The server. Runs in the caller's event loop, as a context manager.

    `shape`: `models`; `plain` and `tools`, bodies; `stream` and `tools_stream`, lists of chunks, or of text that is
    sent as it is; `refuses`, each with the `field`, the `status` and the `error`, and the one value that is taken, as
    `but`; `prefix`, text before a body.
    """

    shape: Shape
    bodies: list[Shape] = field(default_factory=list)
    """The bodies of all calls."""
    refusals: int = 0
    port: int = 0
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connect, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    def _connect(self) -> Connection:
        return Connection(self._serve, lambda connection, busy: None)

    def _serve(self, request: Request, connection: Connection) -> bytes | Coroutine[Any, Any, None]:
        if request.path == "/v1/models":
            return encode_response(200, orjson.dumps(self.shape["models"]))
        if request.path != "/v1/chat/completions":
            return encode_response(404, b'{"error": {"message": "not found"}}')
        body = orjson.loads(request.body)
        self.bodies.append(body)
        for refusal in self.shape.get("refuses", ()):
            name = refusal["field"]
            if name in body and body[name] != refusal.get("but"):
                self.refusals += 1
                return encode_response(refusal["status"], orjson.dumps(refusal["error"]))
        kind = "tools" if body.get("tools") else "plain"
        if not body.get("stream"):
            return encode_response(200, self.shape.get("prefix", "").encode() + orjson.dumps(self.shape[kind]))
        return self._stream(self.shape["tools_stream" if kind == "tools" else "stream"], connection)

    async def _stream(self, chunks: list[Shape | str], connection: Connection) -> None:
        connection.write(STREAM_HEAD)
        for chunk in chunks:
            text = chunk if isinstance(chunk, str) else f"data: {json.dumps(chunk)}\n\n"
            connection.write_chunk(text.encode())
            await asyncio.sleep(0)
        connection.write(b"0\r\n\r\n")
