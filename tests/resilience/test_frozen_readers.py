"""Clients that request a stream and read nothing are disconnected, and cost other clients and memory little."""

import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.resilience.background import Probe
from tests.resilience.measure import percentile, wait_until
from tests.resilience.server_process import Server, body, raw

pytestmark = pytest.mark.fault("T24")

CLIENTS = 200
SEND_SECONDS = 30
"""The send timeout of a stream."""
SECONDS_PER_TOKEN = 0.05
LONG_TOKENS, SHORT_TOKENS = 100, 2000
"""Tokens of 2,000 characters fill the kernel's send buffer within seconds; short ones follow."""
STREAM_REQUEST = {"stream": True, "max_tokens": 100_000, "strategy": "chain_of_thought", "cache": "no-store"}
READING_CLIENTS = 4
"""Clients that request eight tokens again and again."""
ESTABLISHED = "01"


def server_flags(send_seconds: float) -> tuple[str, ...]:
    limits = ("--max-concurrent-requests", "400", "--max-generations", "400", "--max-cost", "1000000000")
    return (*limits, "--send-seconds", str(send_seconds))


@contextmanager
def open_streams(server: Server, count: int) -> Iterator[list[socket.socket]]:
    """Open `count` streams with small receive buffers; reads nothing of them."""
    sockets, request = list[socket.socket](), raw(body(**STREAM_REQUEST))
    for _ in range(count):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(server.address)
        connection.sendall(request)
        sockets.append(connection)
    try:
        wait_until(lambda: server.counters["started"] >= count, 60)
        yield sockets
    finally:
        for connection in sockets:
            connection.close()


def read_send_queues(server: Server, client_ports: set[int]) -> dict[int, int]:
    """Return the bytes in the kernel's send queue of each client port."""
    queued, here = dict[int, int](), f":{server.address[1]:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, queues, *_ = line.split()
        port = int(remote.partition(":")[2], 16)
        if local.endswith(here) and state == ESTABLISHED and port in client_ports:
            queued[port] = int(queues.partition(":")[0], 16)
    return queued


def watch_queues(server: Server, client_ports: set[int]) -> tuple[float, float]:
    """Return when the last send queue grew, and when only the reading clients were left, by the monotonic clock."""
    largest, grew = dict[int, int](), time.monotonic()
    while server.in_flight > READING_CLIENTS:
        for client, size in read_send_queues(server, client_ports).items():
            if size > largest.get(client, 0):
                largest[client], grew = size, time.monotonic()
        time.sleep(0.1)
    return grew, time.monotonic()


def measure_chats(server: Server, is_over: Callable[[], bool]) -> list[float]:
    """Return the response times, in milliseconds, of clients that read their responses."""

    def measure_client(_: int) -> list[float]:
        times = list[float]()
        while not is_over():
            began = time.perf_counter()
            assert server.ask(timeout=60, max_tokens=8, cache="no-store").status_code == 200
            times.append((time.perf_counter() - began) * 1000)
        return times

    with ThreadPoolExecutor(READING_CLIENTS) as pool:
        return [milliseconds for times in pool.map(measure_client, range(READING_CLIENTS)) for milliseconds in times]


@pytest.mark.faults
def test_stream_that_nobody_reads_is_aborted_after_the_send_timeout(bar, scale):
    count, seconds = int(CLIENTS * scale), max(3, SEND_SECONDS * scale)
    with Server(flags=server_flags(seconds)) as server, Probe(server) as probe, ThreadPoolExecutor(1) as pool:
        server.set_knobs(texts=[("x" * 2000 + " ") * LONG_TOKENS + "and " * SHORT_TOKENS], pace=SECONDS_PER_TOKEN)
        until = time.monotonic() + max(3, 10 * scale)
        alone = measure_chats(server, lambda: time.monotonic() > until)
        stop = threading.Event()
        chats = pool.submit(measure_chats, server, stop.is_set)
        with open_streams(server, count) as sockets:
            full, left = watch_queues(server, {connection.getsockname()[1] for connection in sockets})
            stop.set()
            during, aborted = chats.result(), server.counters["cancelled"]
        server.assert_healthy()
    what = f"{count} clients that read nothing of 100,000 tokens: the engine is empty, after the last could take a byte"
    met = left - full <= seconds + 1 and aborted == count
    bar(what, f"{left - full:.1f} s, {aborted} aborted", f"{seconds:g} s + 1 s, all", met)
    times = percentile(during, 99) / percentile(alone, 99)
    figure = f"{times:.2f}x of {percentile(alone, 99):.0f} ms, {len(during)} chats"
    bar(f"... p99 of {READING_CLIENTS} others meanwhile, beside before", figure, "1.2x", times <= 1.2)
    bar("... liveness, p99", f"{probe.p99:.0f} ms", "100 ms", probe.p99 <= 100)


def drain(sockets: list[socket.socket]) -> None:
    """Read from all connections until all are closed."""
    with selectors.DefaultSelector() as selector:
        for connection in sockets:
            selector.register(connection, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                try:
                    closed = not key.fileobj.recv(65536)
                except OSError:
                    closed = True
                if closed:
                    selector.unregister(key.fileobj)


@pytest.mark.faults
@pytest.mark.parametrize(("reads", "words"), [("nothing", 2500), ("everything", 800)])
def test_memory_per_stream_is_bounded(bar, scale, reads: str, words: int):
    """Compare peak memory with memory before; the words are short, so that decoding is not what is measured."""
    count, seconds = int(CLIENTS * scale), max(3, SEND_SECONDS * scale)
    with Server(flags=server_flags(seconds)) as server:
        server.set_knobs(texts=["and so on and on " * (words // 5)], pace=0.03)
        for _ in range(8):
            server.ask(**STREAM_REQUEST | {"max_tokens": 20})
        memory = peak = server.memory
        with open_streams(server, count) as sockets:
            if reads == "everything":
                threading.Thread(target=drain, args=(sockets,), daemon=True).start()
            while server.in_flight:
                peak = max(peak, server.memory)
                time.sleep(0.2)
            aborted = server.counters["cancelled"]
        server.assert_healthy()
    each = (peak - memory) * 1024 / count
    what = f"memory for each of {count} clients that read {reads}; aborted"
    expected = count if reads == "nothing" else 0
    bar(what, f"{each:.0f} KiB; {aborted}", f"256 KiB; {expected}", each <= 256 and aborted == expected)
