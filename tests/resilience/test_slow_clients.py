"""Slow, endless and oversized requests are closed within limits of time and memory."""

import http.client
import selectors
import socket
import time

import pytest

from tests.resilience.background import Probe
from tests.resilience.server_process import CHAT, Server

pytestmark = pytest.mark.fault("T23")

RECEIVE_SECONDS = 3
FLAGS = ("--receive-seconds", str(RECEIVE_SECONDS), "--max-concurrent-requests", "400")
IDLE_SECONDS = 6
HEAD = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()


def trickle(server: Server, start: bytes, count: int, timeout: float) -> float:
    """Send `start`, then a byte twice a second, on `count` connections.

    Returns the seconds until the server has closed all; infinity where it has not within `timeout`.
    """
    sockets = [server.connect() for _ in range(count)]
    began, selector = time.monotonic(), selectors.DefaultSelector()
    for connection in sockets:
        connection.sendall(start)
        selector.register(connection, selectors.EVENT_READ)
    remaining = set(sockets)
    while remaining and time.monotonic() - began < timeout:
        for key, _ in selector.select(0.5):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            if not receive(connection):
                selector.unregister(connection)
                remaining.discard(connection)
        for connection in remaining:
            try:
                connection.send(b" ")
            except OSError:
                continue
    took = time.monotonic() - began
    for connection in sockets:
        connection.close()
    return took if not remaining else float("inf")


def receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except OSError:
        return b""


def check_trickle(bar, count: int) -> None:
    with Server(flags=FLAGS) as server:
        memory = server.memory
        with Probe(server) as probe:
            body_took = trickle(server, HEAD + b"Content-Length: 100000\r\n\r\n{", count, RECEIVE_SECONDS + 10)
            headers_took = trickle(server, HEAD + b"X-Slow: ", count, 20)
        grown = server.memory - memory
        server.assert_healthy()
    bar(
        f"{count} bodies, a byte a second, limit {RECEIVE_SECONDS} s: closed",
        f"{body_took:.1f} s",
        "limit + 5 s",
        body_took < RECEIVE_SECONDS + 5,
    )
    bar(
        f"{count} headers, a byte a second, limit 10 s: closed",
        f"{headers_took:.1f} s",
        "15 s",
        headers_took <= 15,
    )
    met = grown <= 20 and probe.p99 <= 100
    bar("... memory, liveness p99", f"{grown:+.0f} MiB, {probe.p99:.0f} ms", "20 MiB, 100 ms", met)


@pytest.mark.faults
def test_five_hundred_trickling_clients_are_disconnected(bar):
    check_trickle(bar, 500)


def send_endlessly(server: Server, start: bytes, part: bytes, times: int) -> tuple[int, int]:
    """Send `start`, then `part` up to `times` times; returns the status, 0 for none, and the bytes of parts sent."""
    sent, status = 0, 0
    with server.connect(5) as connection:
        connection.sendall(start)
        try:
            for _ in range(times):
                connection.sendall(part)
                sent += len(part)
        except OSError:
            pass
        response = receive(connection)
        if response.startswith(b"HTTP/1.1 "):
            status = int(response[9:12])
    return status, sent


@pytest.mark.faults
def test_oversized_request_is_rejected_before_it_is_read(bar):
    megabyte = b"x" * 2**20
    chunk = b"100000\r\n" + megabyte + b"\r\n"
    with Server() as server:
        memory = server.memory
        with Probe(server) as probe:
            announced = send_endlessly(server, HEAD + b"Content-Length: 104857600\r\n\r\n", megabyte, 100)
            chunked = send_endlessly(server, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunk, 100)
            many = send_endlessly(server, HEAD, b"X-A: b\r\n", 100_000)
            long = send_endlessly(server, HEAD + b"X-A: ", b"y" * 65536, 16)
            target = send_endlessly(server, b"GET /" + b"y" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"", 1)
            for _ in range(20):  # long enough for the probe
                send_endlessly(server, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunk, 100)
                send_endlessly(server, HEAD + b"X-A: ", b"y" * 65536, 16)
            bomb = server.ask(headers={"content-encoding": "gzip"}).status_code
        grown = server.memory - memory
        server.assert_healthy()
    statuses = [status for status, _ in (announced, chunked, many, long, target)]
    taken = max(announced[1], chunked[1]) / 2**20
    figure = f"{statuses}, zipped {bomb}"
    met = all(
        status in wanted
        for status, wanted in zip(statuses, ({413, 0}, {413, 0}, {431, 0}, {431, 0}, {431}), strict=True)
    )
    bar(
        "100 MB announced, in chunks; 100,000 headers, one of 1 MB, a long target",
        figure,
        "413, 431; 415",
        met and bomb == 415,
    )
    met = grown <= 20 and taken <= 16 and probe.p99 <= 100
    figure = f"{taken:.0f} MiB sent until closed, {grown:+.0f} MiB, {probe.p99:.0f} ms"
    bar("... taken, memory, liveness p99", figure, "socket buffers, 20 MiB, 100 ms", met)


@pytest.mark.faults
def test_server_closes_idle_connections_later_than_clients_do(bar):
    """httpx closes idle connections after 5 s, balancers after 60: a server that closed first would lose requests."""
    statuses = []
    with Server() as server:
        client = http.client.HTTPConnection(*server.address, timeout=10)
        client.connect()
        connection = client.sock
        for pause in (0, IDLE_SECONDS):
            time.sleep(pause)
            client.request("GET", "/health/live")
            response = client.getresponse()
            response.read()
            statuses.append(response.status)
        same = client.sock is connection
        client.close()
    figure = f"{statuses[-1]} on {'the same connection' if same else 'another connection'}"
    bar(f"a second request, {IDLE_SECONDS} s after the first", figure, "200", statuses == [200, 200] and same)
