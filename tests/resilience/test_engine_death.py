"""T8: an engine that dies, or stands still and says nothing of it."""

import socket
import threading
import time

import httpx
import pytest

from tests.resilience.server_process import Server, eventually

VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "none"}


def in_flight(server: Server, count: int, **fields: object) -> tuple[list[threading.Thread], list[tuple[int, float]]]:
    """Requests under way, and where their status and the time of their end will stand."""
    ends: list[tuple[int, float]] = []

    def one(at: int) -> None:
        try:
            answer = server.ask(strategy=VOTE, cache="no-store", stream=at % 2 == 0, timeout=60, **fields)
            status = 500 if '"error"' in answer.text and answer.status_code == 200 else answer.status_code
        except httpx.TransportError:
            status = 0
        ends.append((status, time.monotonic()))

    threads = [threading.Thread(target=one, args=(at,)) for at in range(count)]
    for thread in threads:
        thread.start()
    return threads, ends


def test_t8_a_dead_engine_ends_every_request_and_the_process(bar):
    with Server() as server:
        server.turn(pace=0.1, texts=["and on " * 200])
        threads, ends = in_flight(server, 64)
        eventually(lambda: server.counters["running"] == 64 * 4)
        died = time.monotonic()
        server.turn(death=True)
        status = server.ended(10)
        exited = time.monotonic() - died
        for thread in threads:
            thread.join()
        address = server.address
    slowest = max(at for _, at in ends) - died
    kinds = sorted({status for status, _ in ends})
    with socket.socket() as probe:
        free = probe.connect_ex(address) != 0
    bar("T8", "the engine dies with 64 in flight: the last is answered", f"{slowest:.2f} s", "1 s", slowest <= 1)
    told = kinds and set(kinds) <= {500, 502, 503}
    bar("T8", "... statuses, an error in a stream as 500", f"{kinds}", "no hang-up", bool(told))
    what = f"{exited:.1f} s, status {status}, port {'free' if free else 'taken'}"
    bar("T8", "... the process ends", what, "8 s, not 0", exited <= 8 and status != 0 and free)


def test_t8_an_engine_that_stands_still_is_noticed(bar):
    with Server(flags=("--stall-seconds", "2")) as server:
        server.turn(hang=True)
        threads, ends = in_flight(server, 8, budget={"seconds": 1.5})
        began = time.monotonic()
        patient, later = in_flight(server, 8)
        noticed = eventually(lambda: server.get("/health/ready").status_code == 503) / 1000
        refused = server.ask(strategy="self_consistency").status_code
        live = server.get("/health/live").status_code
        gauge = "cogitate_engine_stalled 1.0" in server.get("/metrics").text
        status = server.ended(15)
        for thread in [*threads, *patient]:
            thread.join()
    late = max(at for _, at in ends) - began
    bar("T8", "a silent hang, stall limit 2 s: ready is 503", f"{noticed:.1f} s", "2.5 s", 1.5 <= noticed <= 2.5)
    kinds = {status for status, _ in ends}
    bar(
        "T8",
        "... requests with 1.5 s to live",
        f"{kinds} at {late:.2f} s",
        "504 at 1.75 s",
        late <= 1.75 and kinds <= {504, 500},
    )
    figure = f"new work {refused}, live {live}, exit {status}, the waiting {sorted({end for end, _ in later})}"
    told = refused == 503 and live == 200 and status != 0 and gauge and {end for end, _ in later} <= {500, 502, 503}
    bar("T8", "... and the process ends for its supervisor", figure, "503, 200, not 0", told)


@pytest.mark.faults
def test_t8_a_pause_shorter_than_a_stall_is_none(bar):
    with Server(flags=("--stall-seconds", "2")) as server:
        for _ in range(3):
            server.turn(hang=True)
            threads, ends = in_flight(server, 4)
            time.sleep(1.2)
            server.turn(hang=False)
            for thread in threads:
                thread.join()
            assert {status for status, _ in ends} == {200}
        server.healthy()
        said = "makes no tokens" in server.output
    bar("T8", "three pauses of 1.2 s under a stall limit of 2 s: taken for a stall", str(said), "False", not said)
