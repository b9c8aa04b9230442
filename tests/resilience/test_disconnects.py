"""A client that disconnects at any moment leaves no sequence in the engine and no leak in the server."""

import random
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from tests.resilience.background import Probe
from tests.resilience.measure import percentile, settle, wait_until
from tests.resilience.server_process import Server, body, raw

STATES: dict[str, dict[str, object]] = {
    "waiting for a slot": {"strategy": {"name": "best_of_n", "n": 64, "verifier": "scripted"}},
    "decoding": {"strategy": {"name": "self_consistency", "n": 32, "stop_rule": "none"}},
    "between steps": {"strategy": {"name": "beam_search", "n": 16, "width": 4, "verifier": "scripted"}},
    "in a verifier": {"strategy": {"name": "best_of_n", "n": 8, "verifier": "judge"}, "max_tokens": 2},
    "before the first byte": {"strategy": {"name": "best_of_n", "n": 64, "verifier": "scripted"}, "stream": True},
    "plain": {},
}
WAYS = ("FIN", "RST", "half-close")
SMALL_CACHE = ("--cache-bytes", str(256 * 1024))
"""A full cache of answers and traces does not look like a leak."""
FLAGS = ("--max-generations", "24", "--max-cost", "100000000")


def hang_up(connection: socket.socket, way: str) -> None:
    if way == "RST":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if way == "half-close":
        connection.shutdown(socket.SHUT_WR)
    else:
        connection.close()


def ask_and_hang_up(server: Server, fields: dict[str, object], way: str, after: float) -> tuple[float, int]:
    """Send a request and hangs up `after` seconds after its first sequence began.

    Returns the milliseconds until the engine is empty, and the number of generations started until then.
    """
    with server.connect() as connection:
        connection.sendall(raw(body(cache="no-store", **fields)))
        wait_until(lambda: server.in_flight > 0)
        time.sleep(after)
        began = time.monotonic()
        hang_up(connection, way)
        wait_until(lambda: server.in_flight == 0)
        emptied = (time.monotonic() - began) * 1000
        return emptied, server.counters["started"]


def run_cycles(server: Server, count: int) -> tuple[list[float], int]:
    """Hangs up `count` times; returns the milliseconds of each, and the generations begun later than 250 ms after."""
    chance, times, late = random.Random(1), [], 0
    kinds = [(fields, way) for fields in STATES.values() for way in WAYS]
    for cycle in range(count):
        fields, way = kinds[cycle % len(kinds)]
        took, started = ask_and_hang_up(server, fields, way, chance.uniform(0, 0.05))
        times.append(took)
        if cycle % 10 == 0:
            time.sleep(0.25)
            late += server.counters["started"] - started
    return times, late


@pytest.fixture
def slow_server() -> Iterator[Server]:
    with Server(flags=FLAGS) as server:
        server.set_knobs(pace=0.02, texts=["first \n\n then \n\n so it is \\boxed{42} " + "and on " * 200])
        yield server


def check_hang_ups(server: Server, bar, count: int) -> None:
    with Probe(server) as probe:
        times, late = run_cycles(server, count)
    what = f"{count} hang-ups in {len(STATES)} states by {', '.join(WAYS)}: until the engine is empty"
    worst, p99 = max(times), percentile(times, 99)
    figure = f"p50 {percentile(times, 50):.0f} ms, p99 {p99:.0f} ms, worst {worst:.0f} ms"
    bar(what, figure, "p99 250 ms, worst 1000 ms", p99 <= 250 and worst <= 1000)
    bar("generations begun later than 250 ms after", str(late), "0", late == 0)
    bar("liveness meanwhile, p99", f"{probe.p99:.0f} ms", "100 ms", probe.p99 <= 100 and not probe.failures)
    server.assert_healthy()


@pytest.mark.fault("T1")
def test_disconnect_empties_the_engine(slow_server, bar):
    check_hang_ups(slow_server, bar, 36)


@pytest.mark.fault("T1")
@pytest.mark.faults
def test_thousand_disconnects_empty_the_engine(slow_server, bar):
    check_hang_ups(slow_server, bar, 1000)


def churn(server: Server, count: int, threads: int = 20) -> None:
    """Send `count` requests in `threads` threads, and disconnects from each within 50 ms."""
    remaining = iter(range(count))
    lock = threading.Lock()

    def work(seed: int) -> None:
        chance = random.Random(seed)
        while True:
            with lock:
                if next(remaining, None) is None:
                    return
            with server.connect() as connection:
                connection.sendall(raw(body(cache="no-store", strategy={"name": "self_consistency", "n": 2})))
                time.sleep(chance.uniform(0, 0.05))

    pool = [threading.Thread(target=work, args=(seed,)) for seed in range(threads)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    wait_until(lambda: server.in_flight == 0)


def check_churn(bar, count: int) -> None:
    with Server(flags=SMALL_CACHE) as server:
        server.set_knobs(pace=0.01, submit=0.05)
        warm = count // 10
        churn(server, warm)
        before = *settle(lambda: (server.counters["tasks"], server.descriptors)), server.memory
        churn(server, count - warm)
        after = *settle(lambda: (server.counters["tasks"], server.descriptors)), server.memory
        server.assert_healthy()
    tasks, descriptors, memory = (now - then for now, then in zip(after, before, strict=True))
    what = f"{count} cancels, most inside a slow submission: left in the engine 0; tasks, descriptors, MiB more"
    figure = f"{tasks:+d}, {descriptors:+d}, {memory:+.1f}"
    bar(what, figure, "±2, ±2, 10", abs(tasks) <= 2 and abs(descriptors) <= 2 and memory <= 10)


@pytest.mark.fault("T2")
def test_cancellation_during_submission_leaks_nothing(bar):
    check_churn(bar, 600)


@pytest.mark.fault("T2")
@pytest.mark.faults
def test_ten_thousand_cancellations_during_submission_leak_nothing(bar):
    check_churn(bar, 10_000)
