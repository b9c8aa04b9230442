"""T42: one request is one request, however it is written."""

import itertools
import re

import pytest

from tests.resilience.server_process import CHAT, Server, body

JSON = "Content-Type: application/json"
SMUGGLED = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"


def cases() -> list[bytes]:
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
    made = []
    for length, coding, version in itertools.product(lengths, codings, versions):
        head = "\r\n".join(
            part for part in (f"POST {CHAT} HTTP/{version}", "Host: localhost", JSON, length, coding) if part
        )
        made.append(head.encode("latin-1") + b"\r\n\r\n" + content)
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
    return made + more


def answers(server: Server, request: bytes) -> list[int]:
    """The statuses of all answers to bytes that hold one request."""
    said = b""
    with server.socket(1) as connection:
        try:
            connection.sendall(request)
            while stretch := connection.recv(65536):
                said += stretch
                if re.search(rb"\r\n\r\n.*\}$", said, re.S) and said.count(b"HTTP/1.") > 1:
                    break
        except OSError:
            pass
    return [int(status) for status in re.findall(rb"HTTP/1\.\d (\d{3}) ", said)]


def judged(bar, step: int) -> None:
    tried = cases()[::step]
    with Server() as server:
        got = [answers(server, request) for request in tried]
        told = "Traceback" in server.output
        server.healthy()
    several = sum(len(statuses) > 1 and 200 in statuses[1:] for statuses in got)
    failed = sum(status >= 500 and status != 505 for statuses in got for status in statuses)
    figure = f"{several} second answers, {failed} above 499, tracebacks: {told}"
    bar(
        "T42",
        f"{len(tried)} ways to write one request so that it may be taken for two",
        figure,
        "0, 0",
        not several and not failed and not told,
    )


def test_t42_one_request_has_one_answer(bar):
    judged(bar, 16)


@pytest.mark.faults
def test_t42_one_request_has_one_answer_in_three_hundred_disguises(bar):
    judged(bar, 1)


def test_t42_pipelined_requests_are_answered_in_turn(bar):
    with Server() as server, server.socket() as connection:
        connection.sendall(SMUGGLED * 3 + SMUGGLED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        said = b"".join(iter(lambda: connection.recv(65536), b""))
        expected = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\nExpect: 100-continue\r\n".encode()
        with server.socket() as other:
            other.sendall(expected + f"Content-Length: {len(body())}\r\n\r\n".encode())
            went_on = other.recv(100).startswith(b"HTTP/1.1 100")
            other.sendall(body())
            answered = other.recv(100).startswith(b"HTTP/1.1 200")
        server.healthy()
    count = len(re.findall(rb"HTTP/1\.1 200", said))
    bar(
        "T42",
        "four pipelined requests; Expect: 100-continue",
        f"{count} answers; {went_on and answered}",
        "4; True",
        count == 4 and went_on and answered,
    )
