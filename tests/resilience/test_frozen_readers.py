"""T24: clients that ask for a stream and read nothing of it."""

import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.resilience.server_process import Probe, Server, body, eventually, percentile, raw

COUNT, SECONDS = 200, 30
"""Clients, and what a stream waits for one that reads nothing."""
PACE = 0.05
LONG, SHORT = 100, 2000
"""Tokens: of two thousand letters, which fill what the kernel keeps for a client within seconds, then short ones."""
ASKED = {"stream": True, "max_tokens": 100_000, "strategy": "chain_of_thought", "cache": "no-store"}
HEALTHY = 4
"""Others, who ask for eight tokens again and again."""
ESTABLISHED = "01"


def roomy(send_seconds: float) -> tuple[str, ...]:
    room = ("--max-concurrent-requests", "400", "--max-generations", "400", "--max-cost", "1000000000")
    return (*room, "--send-seconds", str(send_seconds))


@contextmanager
def asking(server: Server, count: int) -> Iterator[list[socket.socket]]:
    """So many who have asked, with little room for what comes, and have read nothing."""
    sockets, said = list[socket.socket](), raw(body(**ASKED))
    for _ in range(count):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(server.address)
        connection.sendall(said)
        sockets.append(connection)
    try:
        eventually(lambda: server.counters["started"] >= count, 60)
        yield sockets
    finally:
        for connection in sockets:
            connection.close()


def unsent(server: Server, theirs: set[int]) -> dict[int, int]:
    """Bytes that the kernel keeps for each of these clients, by their ports."""
    kept, here = dict[int, int](), f":{server.address[1]:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, queues, *_ = line.split()
        port = int(remote.partition(":")[2], 16)
        if local.endswith(here) and state == ESTABLISHED and port in theirs:
            kept[port] = int(queues.partition(":")[0], 16)
    return kept


def filled_until_left(server: Server, theirs: set[int]) -> tuple[float, float]:
    """When the last of them could still be sent something, and when the engine was empty, by the monotonic clock."""
    most, grew = dict[int, int](), time.monotonic()
    while server.busy > HEALTHY:
        for client, size in unsent(server, theirs).items():
            if size > most.get(client, 0):
                most[client], grew = size, time.monotonic()
        time.sleep(0.1)
    return grew, time.monotonic()


def chats(server: Server, over: Callable[[], bool]) -> list[float]:
    """Milliseconds, of who reads what they ask for."""

    def one(_: int) -> list[float]:
        times = list[float]()
        while not over():
            began = time.perf_counter()
            assert server.ask(timeout=60, max_tokens=8, cache="no-store").status_code == 200
            times.append((time.perf_counter() - began) * 1000)
        return times

    with ThreadPoolExecutor(HEALTHY) as pool:
        return [took for times in pool.map(one, range(HEALTHY)) for took in times]


@pytest.mark.faults
def test_t24_clients_that_read_nothing_are_left(bar, scale):
    count, seconds = int(COUNT * scale), max(3, SECONDS * scale)
    with Server(flags=roomy(seconds)) as server, Probe(server) as probe, ThreadPoolExecutor(1) as pool:
        server.turn(texts=[("x" * 2000 + " ") * LONG + "and " * SHORT], pace=PACE)
        until = time.monotonic() + max(3, 10 * scale)
        alone = chats(server, lambda: time.monotonic() > until)
        over = threading.Event()
        beside = pool.submit(chats, server, over.is_set)
        with asking(server, count) as sockets:
            full, left = filled_until_left(server, {connection.getsockname()[1] for connection in sockets})
            over.set()
            others, aborted = beside.result(), server.counters["cancelled"]
        server.healthy()
    what = f"{count} clients that read nothing of 100,000 tokens: the engine is empty, after the last could take a byte"
    met = left - full <= seconds + 1 and aborted == count
    bar("T24", what, f"{left - full:.1f} s, {aborted} aborted", f"{seconds:g} s + 1 s, all", met)
    times = percentile(others, 99) / percentile(alone, 99)
    figure = f"{times:.2f}x of {percentile(alone, 99):.0f} ms, {len(others)} chats"
    bar("T24", f"... p99 of {HEALTHY} others meanwhile, beside before", figure, "1.2x", times <= 1.2)
    bar("T24", "... liveness, p99", f"{probe.p99:.0f} ms", "100 ms", probe.p99 <= 100)


def drained(sockets: list[socket.socket]) -> None:
    """Reads all that comes, until all are closed."""
    with selectors.DefaultSelector() as coming:
        for connection in sockets:
            coming.register(connection, selectors.EVENT_READ)
        while coming.get_map():
            for key, _ in coming.select():
                assert isinstance(key.fileobj, socket.socket)
                try:
                    over = not key.fileobj.recv(65536)
                except OSError:
                    over = True
                if over:
                    coming.unregister(key.fileobj)


@pytest.mark.faults
@pytest.mark.parametrize(("reads", "words"), [("nothing", 2500), ("everything", 800)])
def test_t24_clients_cost_little(bar, scale, reads: str, words: int):
    """What it has grown by at its height; the words are short, so that what is decoded is not what is weighed."""
    count, seconds = int(COUNT * scale), max(3, SECONDS * scale)
    with Server(flags=roomy(seconds)) as server:
        server.turn(texts=["and so on and on " * (words // 5)], pace=0.03)
        for _ in range(8):
            server.ask(**ASKED | {"max_tokens": 20})
        memory = most = server.memory
        with asking(server, count) as sockets:
            if reads == "everything":
                threading.Thread(target=drained, args=(sockets,), daemon=True).start()
            while server.busy:
                most = max(most, server.memory)
                time.sleep(0.2)
            aborted = server.counters["cancelled"]
        server.healthy()
    each = (most - memory) * 1024 / count
    what = f"memory for each of {count} clients that read {reads}; aborted"
    wanted = count if reads == "nothing" else 0
    bar("T24", what, f"{each:.0f} KiB; {aborted}", f"256 KiB; {wanted}", each <= 256 and aborted == wanted)
