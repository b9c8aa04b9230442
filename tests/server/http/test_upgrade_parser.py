"""Requests with an Upgrade header are answered over HTTP/1.1: one response each, and the body is read as the body."""

import json
import re
import socket
import threading
import time
from contextlib import closing, suppress

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import Response

from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import HELLO, Live, eventually, live

pytestmark = pytest.mark.live
CONTENT = json.dumps(HELLO).encode()
SMUGGLED = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = SMUGGLED[:-2] + b"Connection: close\r\nX-Request-Id: last\r\n\r\n"
OFFERS = {
    "h2c": "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    "websocket": "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==",
    "unknown": "Upgrade: foo/2\r\nConnection: keep-alive, upgrade",
}


@pytest.fixture(scope="module")
def server():
    with live(ScriptedEngine(["\\boxed{42}"])) as started:
        yield started


def head(offer: str, *lines: str, method: str = "POST", path: str = "/v1/chat/completions", version="1.1") -> bytes:
    first = f"{method} {path} HTTP/{version}"
    return "\r\n".join([first, "Host: localhost", "Content-Type: application/json", offer, *lines, "", ""]).encode()


def exchange(port: int, *parts: bytes, pause: float = 0.05) -> str:
    """Send the parts on one connection and return every byte received until the server closes it."""
    received = b""
    with closing(socket.create_connection(("127.0.0.1", port), 10)) as connection:
        with suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
        with suppress(ConnectionError):
            while chunk := connection.recv(65536):
                received += chunk
    return received.decode()


def send(server: Live, *parts: bytes, pause: float = 0.05) -> list[tuple[int, str]]:
    """Send the parts, then a request that closes the connection. Returns status and rest of the other responses."""
    text = exchange(int(server.url.rpartition(":")[2]), *parts, LAST, pause=pause)
    fields = re.split(r"HTTP/1\.1 (\d{3}) ", text)[1:]
    responses = [(int(status), rest) for status, rest in zip(fields[::2], fields[1::2], strict=True)]
    return [response for response in responses if "x-request-id: last" not in response[1]]


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
@pytest.mark.parametrize("split", [None, 0, 7])
def test_body_of_an_upgrade_request_is_read_however_it_is_split(server, offer, split):
    start = head(offer, f"Content-Length: {len(CONTENT)}")
    parts = (start + CONTENT,) if split is None else (start + CONTENT[:split], CONTENT[split:])
    ((status, rest),) = send(server, *parts)
    assert status == 200 and "boxed{42}" in rest and "connection: close" not in rest


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_chunked_body_of_an_upgrade_request_is_read_and_the_connection_stays_open(server, offer):
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(CONTENT), CONTENT)
    answers = send(server, head(offer, "Transfer-Encoding: chunked") + chunked + SMUGGLED, SMUGGLED)
    assert [status for status, _ in answers] == [200, 200, 200] and "boxed" in answers[0][1]


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
@pytest.mark.parametrize("pause", [0.0, 0.1])
def test_a_request_inside_the_body_of_an_upgrade_request_is_not_executed(server, offer, pause):
    start = head(offer, f"Content-Length: {len(SMUGGLED)}")
    ((status, rest),) = send(server, start, SMUGGLED, pause=pause)
    assert status == 400 and "not valid JSON" in rest


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_upgrade_requests_without_a_body_are_answered(server, offer):
    ((status, rest),) = send(server, head(offer, method="GET", path="/v1/models"))
    assert status == 200 and "scripted@self_consistency" in rest
    many = send(server, head(offer, method="GET", path="/health/live") * 300)
    assert [status for status, _ in many] == [200] * 300


def test_other_headers_of_an_upgrade_request_are_honoured(server):
    expecting = head(OFFERS["h2c"], "Expect: 100-continue", "X-Request-Id: mine", f"Content-Length: {len(CONTENT)}")
    (interim, _), (status, rest) = send(server, expecting, CONTENT)
    assert (interim, status) == (100, 200) and "x-request-id: mine" in rest
    for last in (head(OFFERS["h2c"], "Connection: close", method="GET", path="/health/live"),
                 head(OFFERS["h2c"], method="GET", path="/health/live", version="1.0")):  # fmt: skip
        ((status, rest),) = send(server, last + SMUGGLED)
        assert status == 200 and "connection: close" in rest


@pytest.mark.parametrize("lines", [(), (f"Content-Length: {len(SMUGGLED)}",)])
def test_connect_is_rejected_and_bytes_after_it_are_not_a_request(server, lines):
    for offer in ("X: y", OFFERS["h2c"]):
        answers = send(server, head(offer, *lines, method="CONNECT", path="/v1/models"), SMUGGLED)
        assert [status for status, _ in answers] == [405] and "connection: close" in answers[0][1]


def test_header_size_limit_holds_for_upgrade_requests(server):
    ((status, _),) = send(server, head(OFFERS["h2c"], "X: " + "y" * 70_000, method="GET", path="/health/live"))
    assert status == 431


async def echo(scope, receive, send_message):
    """An ASGI application that answers with the request's body."""
    if scope["type"] == "http":
        await Response(await Request(scope, receive).body())(scope, receive, send_message)


def test_uvicorn_alone_still_loses_the_body_of_an_upgrade_request():
    """uvicorn #2722. When this fails, uvicorn reads the body: delete server/http/upgrade_parser.py."""
    server = uvicorn.Server(uvicorn.Config(echo, port=0, http="httptools", ws="none", log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    eventually(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    plain, offered = (
        exchange(port, head(offer, "Connection: close", f"Content-Length: {len(CONTENT)}"), CONTENT)
        for offer in ("X: y", OFFERS["h2c"])
    )
    server.should_exit = True
    thread.join(10)
    assert CONTENT.decode() in plain
    assert CONTENT.decode() not in offered
