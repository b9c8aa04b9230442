"""Who offers another protocol is answered in HTTP/1.1: one request is one request, and its body is its body."""

import json
import re
import socket
import time
from contextlib import closing, suppress

import pytest

from tests.fakes.live_server import HELLO, Live, live
from tests.fakes.scripted import ScriptedEngine

pytestmark = pytest.mark.live
CONTENT = json.dumps(HELLO).encode()
SMUGGLED = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = SMUGGLED[:-2] + b"Connection: close\r\nX-Request-Id: last\r\n\r\n"
OFFERS = {
    "h2c": "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    "websocket": "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==",
    "unheard of": "Upgrade: foo/2\r\nConnection: keep-alive, upgrade",
}


@pytest.fixture(scope="module")
def server():
    with live(ScriptedEngine(["\\boxed{42}"])) as started:
        yield started


def head(offer: str, *lines: str, method: str = "POST", path: str = "/v1/chat/completions", version="1.1") -> bytes:
    first = f"{method} {path} HTTP/{version}"
    return "\r\n".join([first, "Host: localhost", "Content-Type: application/json", offer, *lines, "", ""]).encode()


def said(server: Live, *parts: bytes, pause: float = 0.05) -> list[tuple[int, str]]:
    """Every answer to what is sent in these parts: its status and its rest. A last request ends the connection."""
    got = b""
    with closing(socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), 10)) as connection:
        with suppress(ConnectionError):
            for part in (*parts, LAST):
                connection.sendall(part)
                time.sleep(pause)
        with suppress(ConnectionError):
            while piece := connection.recv(65536):
                got += piece
    answers = re.split(r"HTTP/1\.1 (\d{3}) ", got.decode())[1:]
    told = [(int(status), rest) for status, rest in zip(answers[::2], answers[1::2], strict=True)]
    return [answer for answer in told if "x-request-id: last" not in answer[1]]


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
@pytest.mark.parametrize("split", [None, 0, 7])
def test_its_body_is_read_however_it_comes(server, offer, split):
    asked = head(offer, f"Content-Length: {len(CONTENT)}")
    parts = (asked + CONTENT,) if split is None else (asked + CONTENT[:split], CONTENT[split:])
    ((status, rest),) = said(server, *parts)
    assert status == 200 and "boxed{42}" in rest and "connection: close" not in rest


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_a_body_in_chunks_is_too_and_the_connection_goes_on(server, offer):
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(CONTENT), CONTENT)
    answers = said(server, head(offer, "Transfer-Encoding: chunked") + chunked + SMUGGLED, SMUGGLED)
    assert [status for status, _ in answers] == [200, 200, 200] and "boxed" in answers[0][1]


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
@pytest.mark.parametrize("pause", [0.0, 0.1])
def test_what_stands_in_a_body_is_no_request(server, offer, pause):
    asked = head(offer, f"Content-Length: {len(SMUGGLED)}")
    ((status, rest),) = said(server, asked, SMUGGLED, pause=pause)
    assert status == 400 and "not valid JSON" in rest


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_without_a_body_it_is_answered_too(server, offer):
    ((status, rest),) = said(server, head(offer, method="GET", path="/v1/models"))
    assert status == 200 and "scripted@self_consistency" in rest
    many = said(server, head(offer, method="GET", path="/health/live") * 300)
    assert [status for status, _ in many] == [200] * 300


def test_its_other_headers_hold(server):
    expecting = head(OFFERS["h2c"], "Expect: 100-continue", "X-Request-Id: mine", f"Content-Length: {len(CONTENT)}")
    (went_on, _), (status, rest) = said(server, expecting, CONTENT)
    assert (went_on, status) == (100, 200) and "x-request-id: mine" in rest
    for last in (head(OFFERS["h2c"], "Connection: close", method="GET", path="/health/live"),
                 head(OFFERS["h2c"], method="GET", path="/health/live", version="1.0")):  # fmt: skip
        ((status, rest),) = said(server, last + SMUGGLED)
        assert status == 200 and "connection: close" in rest


@pytest.mark.parametrize("lines", [(), (f"Content-Length: {len(SMUGGLED)}",)])
def test_a_tunnel_is_refused_and_nothing_goes_through_it(server, lines):
    for offer in ("X: y", OFFERS["h2c"]):
        answers = said(server, head(offer, *lines, method="CONNECT", path="/v1/models"), SMUGGLED)
        assert [status for status, _ in answers] == [405] and "connection: close" in answers[0][1]


def test_headers_are_bounded_all_the_same(server):
    ((status, _),) = said(server, head(OFFERS["h2c"], "X: " + "y" * 70_000, method="GET", path="/health/live"))
    assert status == 431
