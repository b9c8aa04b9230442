"""Clients that send a byte a second, and clients that stop reading: neither holds anything for long."""

import json
import socket
import time

import pytest

from tests.fakes.live_server import HELLO, Live, eventually, live
from tests.fakes.scripted import ScriptedEngine

pytestmark = pytest.mark.live
HEAD = (
    "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    "Content-Length: {}\r\n\r\n"
)


def connected(server: Live) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
    return client


def test_a_body_that_trickles_is_given_up():
    with live(ScriptedEngine(["x"]), receive_seconds=0.3) as server, connected(server) as client:
        client.sendall(HEAD.format(1000).encode())
        began = time.monotonic()
        for _ in range(2):
            client.sendall(b"{")
            time.sleep(0.1)
        answer = b"".join(iter(lambda: client.recv(4096), b""))
        assert b" 408 " in answer and b"request_timeout" in answer and time.monotonic() - began < 3
        assert server.ask().status_code == 200 and len(server.engine.calls) == 1


def test_a_reader_that_has_frozen_frees_the_engine():
    story = "and so it went on and on " * 20_000
    with live(ScriptedEngine([story], pace=0.00001), send_seconds=0.5) as server, connected(server) as client:
        body = json.dumps(HELLO | {"stream": True, "strategy": "chain_of_thought", "max_tokens": 100_000}).encode()
        client.sendall(HEAD.format(len(body)).encode() + body)
        eventually(lambda: server.service.jobs.live)
        eventually(lambda: not server.service.jobs.live and server.engine.running == 0, 8)
        assert server.ask(strategy={"name": "self_consistency", "n": 1}, max_tokens=2).status_code == 200
