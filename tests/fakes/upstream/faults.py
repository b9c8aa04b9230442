"""The faults of a fake upstream: each replaces the correct response."""

import asyncio
import gzip
import json
import socket
import struct
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from tests.fakes.upstream.connection import STREAM_HEAD, Connection, encode_response
from tests.fakes.upstream.script import Fault, Script

Body = dict[str, Any]
FOREVER_SECONDS = 3600.0
HUGE_BODY_BYTES = 1 << 30


def event(body: Body) -> bytes:
    """A server-sent event with this JSON."""
    return b"data: " + json.dumps(body).encode() + b"\n\n"


async def send_fault(script: Script, connection: Connection, body: Body, stream: bool) -> None:
    """Respond with the script's fault; `body` is the correct response."""
    await asyncio.sleep(script.delay())
    await FAULTS[script.fault](script, connection, body, stream)


async def _status(script: Script, connection: Connection, body: Body, stream: bool) -> None:
    status = int(script.fault)
    error = json.dumps({"error": {"message": "out of luck at /srv/secret", "type": "server_error", "code": status}})
    connection.write(encode_response(status, error.encode(), *(["retry-after: 7"] if status == 429 else [])))


async def _redirect(script: Script, connection: Connection, body: Body, stream: bool) -> None:
    connection.write(encode_response(302, b"", f"location: {script.redirect_url}/chat/completions"))


async def _hang(script: Script, connection: Connection, body: Body, stream: bool) -> None:
    await asyncio.sleep(FOREVER_SECONDS)


async def _hang_body(script: Script, connection: Connection, body: Body, stream: bool) -> None:
    connection.write(STREAM_HEAD if stream else encode_response(200, b"x" * 100)[:-100])
    await asyncio.sleep(FOREVER_SECONDS)


async def _reset(script: Script, connection: Connection, body: Body, stream: bool) -> None:
    half = b'{"id": "half'
    connection.write(STREAM_HEAD + b"c\r\n" + half if stream else encode_response(200, half * 20)[:-50])
    await asyncio.sleep(0.01)
    abort(connection)


async def _reset_first(script: Script, connection: Connection, body: Body, stream: bool) -> None:
    abort(connection)


def abort(connection: Connection) -> None:
    """Reset the connection."""
    raw = connection.transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.transport.abort()


async def _cut(script: Script, connection: Connection, body: Body, stream: bool) -> None:
    if stream:
        connection.write(STREAM_HEAD)
        connection.write_chunk(event(body | {"choices": [{"index": 0, "delta": {"content": "The answer is 7"}}]}))
        connection.write(b"0\r\n\r\n")
        return
    connection.write(encode_response(200, json.dumps(body).encode())[:-20])
    connection.transport.close()


async def _huge(script: Script, connection: Connection, body: Body, stream: bool) -> None:
    announced = b"content-length: %d" % HUGE_BODY_BYTES if script.fault == "huge" else b"connection: close"
    connection.write(encode_response(200, b"").replace(b"content-length: 0", announced))
    for _ in range(HUGE_BODY_BYTES >> 20):
        if connection.transport.is_closing():
            return
        connection.write(b" " * (1 << 20))
        await asyncio.sleep(0)
        while connection.transport.get_write_buffer_size() > 1 << 22:  # noqa: ASYNC110 a transport has no event
            await asyncio.sleep(0.001)


async def _gzip_bomb(script: Script, connection: Connection, body: Body, stream: bool) -> None:
    connection.write(encode_response(200, bomb(), "content-encoding: gzip"))


@cache
def bomb() -> bytes:
    """A gzip file of 200 MiB of spaces."""
    return gzip.compress(b" " * (200 << 20), 1)


async def _dribble(script: Script, connection: Connection, body: Body, stream: bool) -> None:
    for byte in encode_response(200, json.dumps(body).encode()):
        connection.write(bytes([byte]))
        await asyncio.sleep(1)


def _wrong_body(change: Callable[[Body], Body | bytes]) -> "SendFault":
    """Return the fault that sends a changed body, as a response or as the chunk of a stream."""

    async def send(script: Script, connection: Connection, body: Body, stream: bool) -> None:
        wrong = change(body)
        raw = wrong if isinstance(wrong, bytes) else json.dumps(wrong).encode()
        if not stream:
            connection.write(encode_response(200, raw))
            return
        connection.write(STREAM_HEAD)
        connection.write_chunk(b"data: " + raw.replace(b'"message"', b'"delta"') + b"\n\ndata: [DONE]\n\n")
        connection.write(b"0\r\n\r\n")

    return send


def _error(body: Body) -> Body:
    return {"error": {"message": "CUDA out of memory at /srv/secret", "type": "server_error", "code": 500}}


def _absurd(body: Body) -> Body:
    return body | {"usage": {"prompt_tokens": -5, "completion_tokens": 1.5, "total_tokens": "many"}}


SendFault = Callable[[Script, Connection, Body, bool], Any]
FAULTS: Mapping[Fault, SendFault] = {
    "500": _status,
    "429": _status,
    "hang": _hang,
    "hang_body": _hang_body,
    "reset": _reset,
    "reset_first": _reset_first,
    "cut": _cut,
    "error_in_200": _wrong_body(_error),
    "malformed": _wrong_body(lambda body: b'{"id": "x", "choices": [{"index": 0, "mess'),
    "extra_choices": _wrong_body(lambda body: body | {"choices": body["choices"] * 3}),
    "absurd_usage": _wrong_body(_absurd),
    "huge": _huge,
    "endless": _huge,
    "gzip_bomb": _gzip_bomb,
    "redirect": _redirect,
    "dribble": _dribble,
    "deep": _wrong_body(lambda body: b'{"choices":' + b"[" * 10_000 + b"]" * 10_000 + b"}"),
    "invalid_utf8": _wrong_body(lambda body: b'{"id": "\xff\xfe", "choices": []}'),
}
