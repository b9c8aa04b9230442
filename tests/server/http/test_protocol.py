"""Clients that send a byte a second, and clients that stop reading, are disconnected."""

import json
import socket
import time
from contextlib import suppress

import pytest

from cogitate.server.http.protocol import MAX_HEADER_BYTES
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import HELLO, Live, eventually, live

pytestmark = pytest.mark.live
HEAD = (
    "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    "Content-Length: {}\r\n\r\n"
)


def connect(server: Live) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
    return client


def test_slow_request_body_is_answered_with_a_timeout():
    with live(ScriptedEngine(["x"]), receive_seconds=0.3) as server, connect(server) as client:
        client.sendall(HEAD.format(1000).encode())
        start = time.monotonic()
        for _ in range(2):
            client.sendall(b"{")
            time.sleep(0.1)
        answer = b"".join(iter(lambda: client.recv(4096), b""))
        assert b" 408 " in answer and b"request_timeout" in answer and time.monotonic() - start < 3
        assert server.ask().status_code == 200 and len(server.engine.calls) == 1


def test_stream_to_a_client_that_stops_reading_is_ended_and_frees_the_engine():
    story = "and so it went on and on " * 20_000
    with live(ScriptedEngine([story], pace=0.00001), send_seconds=0.5) as server, connect(server) as client:
        body = json.dumps(HELLO | {"stream": True, "strategy": "chain_of_thought", "max_tokens": 100_000}).encode()
        client.sendall(HEAD.format(len(body)).encode() + body)
        eventually(lambda: server.service.jobs.live)
        eventually(lambda: not server.service.jobs.live and server.engine.running == 0, 8)
        assert server.ask(strategy={"name": "self_consistency", "n": 1}, max_tokens=2).status_code == 200


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\nX: " + b"y" * MAX_HEADER_BYTES + b"\r\n\r\n", 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 20 * MAX_HEADER_BYTES, 431, "headers_too_large"),
        (b"GET /" + b"y" * MAX_HEADER_BYTES, 431, "headers_too_large"),
        (b"what is this?\r\n\r\n", 400, "null"),
    ],
)
def test_oversized_headers_and_malformed_http_get_the_error_envelope(sent, status, code):
    with live(ScriptedEngine(["x"])) as server, connect(server) as client:
        with suppress(ConnectionError):
            client.sendall(sent)
        answer = client.recv(4096).decode()
        assert answer.startswith(f"HTTP/1.1 {status} ") and "connection: close" in answer
        assert str(json.loads(answer.partition("\r\n\r\n")[2])["error"]["code"] or "null") == code


def test_pipelined_requests_larger_than_the_header_limit_together_are_answered():
    request = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 40_000 + b"\r\n\r\n"
    with live(ScriptedEngine(["x"])) as server, connect(server) as client:
        client.sendall(request * 6 + request.replace(b"X: ", b"Connection: close\r\nX: "))
        answers = b"".join(iter(lambda: client.recv(4096), b""))
    assert answers.count(b"HTTP/1.1 200 ") == 7
