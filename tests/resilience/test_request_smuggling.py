"""Ambiguously framed HTTP requests are never taken for two requests (request smuggling)."""

import itertools
import re

import pytest

from tests.resilience.server_process import CHAT, Server, body

pytestmark = pytest.mark.fault("T42")

JSON = "Content-Type: application/json"
SMUGGLED = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"


def build_cases() -> list[bytes]:
    """Build combinations of lengths, codings and versions, bare newlines, odd methods, and upgrades."""
    content = body(max_tokens=1)
    lengths = [f"Content-Length: {len(content)}", "Content-Length: 0", "Content-Length: +5", "Content-Length: 0x10"]
    lengths += [f"Content-Length: {len(content)}\r\nContent-Length: 5", "Content-Length : 5", "Content-Length: 5, 5"]
    lengths += [
        "Content-Length: -1",
        "Content-Length: " + "9" * 30,
        "Content-Length:\t5",
        "content-length: 5\r\n folded",
    ]
    codings = ["", "Transfer-Encoding: chunked", "Transfer-Encoding: xchunked", "Transfer-Encoding : chunked"]
    codings += ["Transfer-Encoding: chunked, identity", "Transfer-Encoding:\x0bchunked", "Transfer-encoding: identity"]
    versions = ["1.1", "1.0", "0.9", "2.0"]
    requests = []
    for length, coding, version in itertools.product(lengths, codings, versions):
        head = "\r\n".join(
            part for part in (f"POST {CHAT} HTTP/{version}", "Host: localhost", JSON, length, coding) if part
        )
        requests.append(head.encode("latin-1") + b"\r\n\r\n" + content)
    bare = f"POST {CHAT} HTTP/1.1\nHost: localhost\n{JSON}\nContent-Length: {len(content)}\n\n".encode() + content
    more = [bare, b"0\r\n\r\n" + SMUGGLED, b"\r\n" * 50 + SMUGGLED, b"GET\x00 / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02"]
    more += [
        f"{method} {CHAT} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        for method in ("HEAD", "OPTIONS", "TRACE", "CONNECT")
    ]
    more += [
        f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\nConnection: Upgrade\r\nUpgrade: {offer}\r\n".encode()
        + f"Content-Length: {len(SMUGGLED)}\r\n\r\n".encode()
        + SMUGGLED
        for offer in ("h2c", "websocket", "x")
    ]
    return requests + more


def read_statuses(server: Server, request: bytes) -> list[int]:
    """Send the bytes of one request; returns the statuses of all responses."""
    received = b""
    with server.connect(1) as connection:
        try:
            connection.sendall(request)
            while chunk := connection.recv(65536):
                received += chunk
                if re.search(rb"\r\n\r\n.*\}$", received, re.S) and received.count(b"HTTP/1.") > 1:
                    break
        except OSError:
            pass
    return [int(status) for status in re.findall(rb"HTTP/1\.\d (\d{3}) ", received)]


def check_cases(bar, step: int) -> None:
    tried = build_cases()[::step]
    with Server() as server:
        got = [read_statuses(server, request) for request in tried]
        traceback = "Traceback" in server.output
        server.assert_healthy()
    several = sum(len(statuses) > 1 and 200 in statuses[1:] for statuses in got)
    failed = sum(status >= 500 and status != 505 for statuses in got for status in statuses)
    figure = f"{several} second answers, {failed} above 499, tracebacks: {traceback}"
    bar(
        f"{len(tried)} ways to write one request so that it may be taken for two",
        figure,
        "0, 0",
        not several and not failed and not traceback,
    )


def test_ambiguous_request_has_one_response(bar):
    check_cases(bar, 16)


@pytest.mark.faults
def test_every_ambiguous_request_has_one_response(bar):
    check_cases(bar, 1)


def test_pipelined_requests_are_answered_in_order(bar):
    with Server() as server, server.connect() as connection:
        connection.sendall(SMUGGLED * 3 + SMUGGLED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        received = b"".join(iter(lambda: connection.recv(65536), b""))
        expected = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\nExpect: 100-continue\r\n".encode()
        with server.connect() as other:
            other.sendall(expected + f"Content-Length: {len(body())}\r\n\r\n".encode())
            went_on = other.recv(100).startswith(b"HTTP/1.1 100")
            other.sendall(body())
            completed = other.recv(100).startswith(b"HTTP/1.1 200")
        server.assert_healthy()
    count = len(re.findall(rb"HTTP/1\.1 200", received))
    bar(
        "four pipelined requests; Expect: 100-continue",
        f"{count} answers; {went_on and completed}",
        "4; True",
        count == 4 and went_on and completed,
    )
