"""A dead engine and a silently hung engine end their requests with errors, and then the process."""

import socket
import threading
import time

import httpx
import pytest

from tests.resilience.measure import wait_until
from tests.resilience.server_process import Server

pytestmark = pytest.mark.fault("T8")

VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "none"}


def start_requests(
    server: Server, count: int, **fields: object
) -> tuple[list[threading.Thread], list[tuple[int, float]]]:
    """Start `count` requests; returns their threads, and a list that gets status and end time of each."""
    ends: list[tuple[int, float]] = []

    def send(at: int) -> None:
        try:
            answer = server.ask(strategy=VOTE, cache="no-store", stream=at % 2 == 0, timeout=60, **fields)
            status = 500 if '"error"' in answer.text and answer.status_code == 200 else answer.status_code
        except httpx.TransportError:
            status = 0
        ends.append((status, time.monotonic()))

    threads = [threading.Thread(target=send, args=(at,)) for at in range(count)]
    for thread in threads:
        thread.start()
    return threads, ends


def test_dead_engine_ends_every_request_and_the_process(bar):
    with Server() as server:
        server.set_knobs(pace=0.1, texts=["and on " * 200])
        threads, ends = start_requests(server, 64)
        wait_until(lambda: server.counters["running"] == 64 * 4, 30)
        died = time.monotonic()
        server.set_knobs(death=True)
        status = server.wait_for_exit(10)
        exited = time.monotonic() - died
        for thread in threads:
            thread.join()
        address = server.address
    slowest = max(at for _, at in ends) - died
    kinds = sorted({status for status, _ in ends})
    with socket.socket() as probe:
        free = probe.connect_ex(address) != 0
    bar("the engine dies with 64 in flight: the last is answered", f"{slowest:.2f} s", "1 s", slowest <= 1)
    reported = kinds and set(kinds) <= {500, 502, 503}
    bar("... statuses, an error in a stream as 500", f"{kinds}", "no hang-up", bool(reported))
    what = f"{exited:.1f} s, status {status}, port {'free' if free else 'taken'}"
    bar("... the process ends", what, "8 s, not 0", exited <= 8 and status != 0 and free)


def test_hung_engine_fails_readiness_and_ends_the_process(bar):
    with Server(flags=("--stall-seconds", "2")) as server:
        server.set_knobs(hang=True)
        threads, ends = start_requests(server, 8, budget={"seconds": 1.5})
        began = time.monotonic()
        unlimited, later = start_requests(server, 8)
        noticed = wait_until(lambda: server.get("/health/ready").status_code == 503) / 1000
        refused = server.ask(strategy="self_consistency").status_code
        live = server.get("/health/live").status_code
        gauge = "cogitate_engine_stalled 1.0" in server.get("/metrics").text
        status = server.wait_for_exit(15)
        for thread in [*threads, *unlimited]:
            thread.join()
    late = max(at for _, at in ends) - began
    bar("a silent hang, stall limit 2 s: ready is 503", f"{noticed:.1f} s", "2.5 s", 1.5 <= noticed <= 2.5)
    kinds = {status for status, _ in ends}
    bar(
        "... requests with 1.5 s to live",
        f"{kinds} at {late:.2f} s",
        "504 at 1.75 s",
        late <= 1.75 and kinds <= {504, 500},
    )
    figure = f"new work {refused}, live {live}, exit {status}, the waiting {sorted({end for end, _ in later})}"
    met = refused == 503 and live == 200 and status != 0 and gauge and {end for end, _ in later} <= {500, 502, 503}
    bar("... and the process ends for its supervisor", figure, "503, 200, not 0", met)


@pytest.mark.faults
def test_pause_shorter_than_the_stall_limit_is_tolerated(bar):
    with Server(flags=("--stall-seconds", "2")) as server:
        for _ in range(3):
            server.set_knobs(hang=True)
            threads, ends = start_requests(server, 4)
            time.sleep(1.2)
            server.set_knobs(hang=False)
            for thread in threads:
                thread.join()
            assert {status for status, _ in ends} == {200}
        server.assert_healthy()
        stalled = "generates no tokens" in server.output
    bar("three pauses of 1.2 s under a stall limit of 2 s: taken for a stall", str(stalled), "False", not stalled)
