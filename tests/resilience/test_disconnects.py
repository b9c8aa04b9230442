"""T1, T2: whoever hangs up, at whatever moment, leaves nothing behind in the engine."""

import random
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from tests.resilience.server_process import Probe, Server, body, eventually, percentile, raw

STATES: dict[str, dict[str, object]] = {
    "waiting for a slot": {"strategy": {"name": "best_of_n", "n": 64, "verifier": "scripted"}},
    "decoding": {"strategy": {"name": "self_consistency", "n": 32, "stop_rule": "none"}},
    "between steps": {"strategy": {"name": "beam_search", "n": 16, "width": 4, "verifier": "scripted"}},
    "in a verifier": {"strategy": {"name": "best_of_n", "n": 8, "verifier": "judge"}, "max_tokens": 2},
    "before the first byte": {"strategy": {"name": "best_of_n", "n": 64, "verifier": "scripted"}, "stream": True},
    "plain": {},
}
WAYS = ("FIN", "RST", "half-close")
LITTLE = ("--cache-bytes", str(256 * 1024))
"""Of answers and traces: what is kept of requests that have ended, by design, is no leak."""
FLAGS = ("--max-generations", "24", "--max-cost", "100000000")


def leave(connection: socket.socket, way: str) -> None:
    if way == "RST":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if way == "half-close":
        connection.shutdown(socket.SHUT_WR)
    else:
        connection.close()


def hung_up(server: Server, fields: dict[str, object], way: str, after: float) -> tuple[float, int]:
    """Milliseconds until the engine is empty, and how many generations began later than a quarter second."""
    with server.socket() as connection:
        connection.sendall(raw(body(cache="no-store", **fields)))
        eventually(lambda: server.busy > 0)
        time.sleep(after)
        left = time.monotonic()
        leave(connection, way)
        eventually(lambda: server.busy == 0)
        emptied = (time.monotonic() - left) * 1000
        return emptied, server.counters["started"]


def cycles(server: Server, count: int) -> tuple[list[float], int]:
    chance, times, late = random.Random(1), [], 0
    kinds = [(fields, way) for fields in STATES.values() for way in WAYS]
    for cycle in range(count):
        fields, way = kinds[cycle % len(kinds)]
        took, started = hung_up(server, fields, way, chance.uniform(0, 0.05))
        times.append(took)
        if cycle % 10 == 0:
            time.sleep(0.25)
            late += server.counters["started"] - started
    return times, late


@pytest.fixture
def paced() -> Iterator[Server]:
    with Server(flags=FLAGS) as server:
        server.turn(pace=0.02, texts=["first \n\n then \n\n so it is \\boxed{42} " + "and on " * 200])
        yield server


def judged(server: Server, bar, count: int) -> None:
    with Probe(server) as probe:
        times, late = cycles(server, count)
    what = f"{count} hang-ups in {len(STATES)} states by {', '.join(WAYS)}: until the engine is empty"
    worst, p99 = max(times), percentile(times, 99)
    figure = f"p50 {percentile(times, 50):.0f} ms, p99 {p99:.0f} ms, worst {worst:.0f} ms"
    bar("T1", what, figure, "p99 250 ms, worst 1000 ms", p99 <= 250 and worst <= 1000)
    bar("T1", "generations begun later than 250 ms after", str(late), "0", late == 0)
    bar("T1", "liveness meanwhile, p99", f"{probe.p99:.0f} ms", "100 ms", probe.p99 <= 100 and not probe.failures)
    server.healthy()


def test_t1_a_client_that_hangs_up_frees_the_engine(paced, bar):
    judged(paced, bar, 36)


@pytest.mark.faults
def test_t1_a_thousand_hang_ups_leave_nothing(paced, bar):
    judged(paced, bar, 1000)


def churn(server: Server, count: int, lanes: int = 20) -> None:
    """So many requests, each left within 50 ms."""
    left = iter(range(count))
    lock = threading.Lock()

    def lane(seed: int) -> None:
        chance = random.Random(seed)
        while True:
            with lock:
                if next(left, None) is None:
                    return
            with server.socket() as connection:
                connection.sendall(raw(body(cache="no-store", strategy={"name": "self_consistency", "n": 2})))
                time.sleep(chance.uniform(0, 0.05))

    threads = [threading.Thread(target=lane, args=(seed,)) for seed in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    eventually(lambda: server.busy == 0)


def churned(bar, count: int) -> None:
    with Server(flags=LITTLE) as server:
        server.turn(pace=0.01, submit=0.05)
        warm = count // 10
        churn(server, warm)
        time.sleep(0.5)
        before = server.counters["tasks"], server.descriptors, server.memory
        churn(server, count - warm)
        time.sleep(0.5)
        after = server.counters["tasks"], server.descriptors, server.memory
        server.healthy()
    tasks, descriptors, memory = (now - then for now, then in zip(after, before, strict=True))
    what = f"{count} cancels, most inside a slow submission: left in the engine 0; tasks, descriptors, MiB more"
    figure = f"{tasks:+d}, {descriptors:+d}, {memory:+.1f}"
    bar("T2", what, figure, "±2, ±2, 10", abs(tasks) <= 2 and abs(descriptors) <= 2 and memory <= 10)


def test_t2_cancels_inside_a_submission_leak_nothing(bar):
    churned(bar, 600)


@pytest.mark.faults
def test_t2_ten_thousand_cancels_leak_nothing(bar):
    churned(bar, 10_000)
