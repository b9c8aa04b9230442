"""T23: clients that send a byte a minute, or that send without end."""

import selectors
import socket
import time

import pytest

from tests.resilience.server_process import CHAT, Probe, Server

SECONDS = 3
FLAGS = ("--receive-seconds", str(SECONDS), "--max-concurrent-requests", "400")
RESTED = 6
HEAD = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()


def trickled(server: Server, begun: bytes, count: int, longest: float) -> float:
    """So many sockets that send a byte a second; seconds until the last is closed, or `longest`."""
    sockets = [server.socket() for _ in range(count)]
    began, waiting = time.monotonic(), selectors.DefaultSelector()
    for connection in sockets:
        connection.sendall(begun)
        waiting.register(connection, selectors.EVENT_READ)
    left = set(sockets)
    while left and time.monotonic() - began < longest:
        for key, _ in waiting.select(0.5):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            if not received(connection):
                waiting.unregister(connection)
                left.discard(connection)
        for connection in left:
            try:
                connection.send(b" ")
            except OSError:
                continue
    took = time.monotonic() - began
    for connection in sockets:
        connection.close()
    return took if not left else float("inf")


def received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except OSError:
        return b""


def judged_trickle(bar, count: int) -> None:
    with Server(flags=FLAGS) as server:
        memory = server.memory
        with Probe(server) as probe:
            body_took = trickled(server, HEAD + b"Content-Length: 100000\r\n\r\n{", count, SECONDS + 10)
            headers_took = trickled(server, HEAD + b"X-Slow: ", count, 20)
        grown = server.memory - memory
        server.healthy()
    bar(
        "T23",
        f"{count} bodies, a byte a second, limit {SECONDS} s: closed",
        f"{body_took:.1f} s",
        "limit + 5 s",
        body_took < SECONDS + 5,
    )
    bar(
        "T23",
        f"{count} headers, a byte a second, limit 10 s: closed",
        f"{headers_took:.1f} s",
        "15 s",
        headers_took <= 15,
    )
    met = grown <= 20 and probe.p99 <= 100
    bar("T23", "... memory, liveness p99", f"{grown:+.0f} MiB, {probe.p99:.0f} ms", "20 MiB, 100 ms", met)


@pytest.mark.faults
def test_t23_five_hundred_trickling_clients_are_closed(bar):
    judged_trickle(bar, 500)


def answered(server: Server, begun: bytes, rest: bytes, times: int) -> tuple[int, int]:
    """The status of a request that goes on without end, and the bytes that were taken of it."""
    sent, status = 0, 0
    with server.socket(5) as connection:
        connection.sendall(begun)
        try:
            for _ in range(times):
                connection.sendall(rest)
                sent += len(rest)
        except OSError:
            pass
        said = received(connection)
        if said.startswith(b"HTTP/1.1 "):
            status = int(said[9:12])
    return status, sent


@pytest.mark.faults
def test_t23_what_is_too_large_is_refused_before_it_is_read(bar):
    megabyte = b"x" * 2**20
    chunk = b"100000\r\n" + megabyte + b"\r\n"
    with Server() as server:
        memory = server.memory
        with Probe(server) as probe:
            announced = answered(server, HEAD + b"Content-Length: 104857600\r\n\r\n", megabyte, 100)
            chunked = answered(server, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunk, 100)
            many = answered(server, HEAD, b"X-A: b\r\n", 100_000)
            long = answered(server, HEAD + b"X-A: ", b"y" * 65536, 16)
            target = answered(server, b"GET /" + b"y" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"", 1)
            bomb = server.ask(headers={"content-encoding": "gzip"}).status_code
        grown = server.memory - memory
        server.healthy()
    statuses = [status for status, _ in (announced, chunked, many, long, target)]
    taken = max(announced[1], chunked[1]) / 2**20
    figure = f"{statuses}, zipped {bomb}"
    met = all(
        status in wanted
        for status, wanted in zip(statuses, ({413, 0}, {413, 0}, {431, 0}, {431, 0}, {431}), strict=True)
    )
    bar(
        "T23",
        "100 MB announced, in chunks; 100,000 headers, one of 1 MB, a long target",
        figure,
        "413, 431; 415",
        met and bomb == 415,
    )
    met = grown <= 20 and taken <= 16 and probe.p99 <= 100
    figure = f"{taken:.0f} MiB sent until closed, {grown:+.0f} MiB, {probe.p99:.0f} ms"
    bar("T23", "... taken, memory, liveness p99", figure, "socket buffers, 20 MiB, 100 ms", met)


@pytest.mark.faults
def test_t23_a_connection_may_rest_for_longer_than_clients_let_it(bar):
    """httpx lets go after 5 s and balancers after 60: where the server did so first, a request would meet the end."""
    with Server() as server, server.socket() as connection:
        for pause in (0, RESTED):
            time.sleep(pause)
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(0.2)
            answer = received(connection)
    bar("T23", f"a second request, {RESTED} s after the first", str(answer[:12]), "200", b" 200 " in answer)
