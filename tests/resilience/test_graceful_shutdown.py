"""SIGTERM: the server finishes requests within the drain limit, rejects new ones, ends searches, and exits."""

import signal
import socket
import threading
import time
from dataclasses import dataclass, field

import httpx
import pytest

from tests.resilience.measure import wait_until
from tests.resilience.server_process import CHAT, HELLO, Server, body, raw

pytestmark = pytest.mark.fault("T14")

VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "none"}


@dataclass(slots=True)
class InFlight:
    """Requests in flight, every other one a stream."""

    server: Server
    complete: int = 0
    """Complete responses."""
    draining: int = 0
    """Of these, best-so-far answers of searches that the shutdown ended."""
    clean: list[bool] = field(default_factory=list)
    """Of the incomplete ones: whether each ended with a well-formed error."""
    ends: list[float] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self, count: int = 40, others: int = 0) -> None:
        """`others`: generations of other requests."""
        self.threads = [threading.Thread(target=self._send, args=(at % 2 == 0,)) for at in range(count)]
        for thread in self.threads:
            thread.start()
        wait_until(lambda: self.server.counters["running"] == count * 4 + others, 30)

    def join(self) -> None:
        for thread in self.threads:
            thread.join()

    def _send(self, stream: bool) -> None:
        payload = HELLO | {"strategy": VOTE, "cache": "no-store", "stream": stream}
        try:
            answer = httpx.post(self.server.url + CHAT, json=payload, timeout=60, verify=False)
        except httpx.TransportError:
            self.clean.append(False)
        else:
            complete = answer.status_code == 200 and (answer.text.endswith("data: [DONE]\n\n") if stream else True)
            if complete:
                self.complete += 1
                self.draining += '"stopped":"draining"' in answer.text
            else:
                self.clean.append('"error"' in answer.text and "[DONE]" not in answer.text)
        self.ends.append(time.monotonic())


def test_requests_within_the_drain_limit_complete(bar):
    with Server(flags=("--drain-seconds", "10")) as server:
        server.set_knobs(pace=0.3)  # about 2 s: all requests start before the first one ends
        in_flight = InFlight(server)
        in_flight.start()
        server.send_signal(signal.SIGTERM)
        unready = wait_until(lambda: server.get("/health/ready").status_code == 503)
        refused = server.ask(strategy="self_consistency")
        in_flight.join()
        status = server.wait_for_exit(5)
    bar("SIGTERM: ready is 503 after", f"{unready:.0f} ms", "200 ms", unready <= 200)
    closing = refused.headers.get("connection", "")
    figure = f"{refused.status_code}, connection {closing}"
    bar("... new work meanwhile", figure, "503, close", (refused.status_code, closing) == (503, "close"))
    figure = f"{in_flight.complete} whole of 40; exit {status}"
    bar("... 40 in flight that fit the drain limit", figure, "40; exit 0", in_flight.complete == 40 and status == 0)


def test_searches_beyond_the_drain_limit_end_with_their_best_so_far(bar):
    with Server(flags=("--drain-seconds", "1")) as server:
        server.set_knobs(pace=0.1, texts=["and on " * 100])
        in_flight = InFlight(server)
        in_flight.start()
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        in_flight.join()
        status = server.wait_for_exit(5)
        exited = time.monotonic() - began
    last = max(in_flight.ends) - began
    figure = f"{in_flight.draining} of 40 draining, the last at {last:.2f} s; exit {status} at {exited:.2f} s"
    met = in_flight.draining == 40 and last <= 2 and status == 0 and exited <= 3
    bar("... 40 searches that do not, drain limit 1 s", figure, "40, 2 s; exit 0 at 3 s", met)


def test_searches_without_any_text_at_the_drain_limit_end_with_an_error(bar):
    with Server(flags=("--drain-seconds", "1")) as server:
        server.set_knobs(pace=60.0)
        in_flight = InFlight(server)
        in_flight.start()
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        in_flight.join()
        status = server.wait_for_exit(5)
    last = max(in_flight.ends) - began
    figure = f"{sum(in_flight.clean)} clean errors of 40, the last at {last:.2f} s; exit {status}"
    met = sum(in_flight.clean) == 40 and last <= 2 and status == 0
    bar("... 40 that have decoded nothing by then", figure, "40, 2 s; exit 0", met)


@pytest.mark.faults
def test_nothing_is_lost_of_two_hundred_requests_before_and_after_the_signal(bar):
    """Half of the requests arrive after SIGTERM, while the server lingers; the searches outlast the drain."""
    count, seconds = 200, 2.0
    limits = ("--max-generations", "1024", "--max-concurrent-requests", "1024")
    with Server(flags=("--linger-seconds", "2", "--drain-seconds", "3", *limits)) as server:
        server.set_knobs(pace=0.1, texts=["so it is \\boxed{4} " + "and on " * 40, "\\boxed{4} then " * 3])
        in_flight = InFlight(server)
        for at in range(count):
            thread = threading.Thread(target=in_flight._send, args=(at % 2 == 0,))
            in_flight.threads.append(thread)
            thread.start()
            time.sleep(seconds / count)
            if at == count // 2:
                began = time.monotonic()
                server.send_signal(signal.SIGTERM)
        unready = server.get("/health/ready").status_code
        in_flight.join()
        status = server.wait_for_exit(5)
    last = max(in_flight.ends) - began
    figure = (
        f"{in_flight.complete} answers, {in_flight.draining} of them draining, the last at {last:.1f} s; exit {status}"
    )
    met = in_flight.complete == count and in_flight.draining > 0 and unready == 503 and last <= 6 and status == 0
    bar(f"SIGTERM amid {count} requests, 2 s of linger and 3 s of drain", figure, f"{count}, some, 6 s; exit 0", met)


def test_second_signal_ends_the_process_at_once(bar):
    figures = []
    for signals in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT)):
        with Server(flags=("--drain-seconds", "60")) as server:
            server.set_knobs(pace=1.0)
            in_flight = InFlight(server)
            in_flight.start(4)
            server.send_signal(signals[0])
            time.sleep(0.3)
            began = time.monotonic()
            server.send_signal(signals[1])
            status = server.wait_for_exit(10)
            figures.append((time.monotonic() - began, status))
            in_flight.join()
    figure = ", ".join(f"{seconds:.1f} s, exit {status}" for seconds, status in figures)
    bar("SIGTERM twice, SIGINT twice", figure, "4 s", all(seconds <= 4 for seconds, _ in figures))


def open_unread_stream(server: Server) -> socket.socket:
    """Requests a long stream that nobody reads: at the end of the drain it is still to be sent."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(server.address)
    connection.sendall(raw(body(stream=True, strategy="chain_of_thought", cache="no-store")))
    return connection


@pytest.mark.parametrize("signals", [2, 1], ids=["twice", "once"])
def test_aborted_requests_leave_no_traceback_in_the_log(bar, signals: int):
    with Server(flags=("--drain-seconds", "60" if signals == 2 else "0.5")) as server:
        server.set_knobs(pace=0.05, texts=[("x" * 4000 + " ") * 500])
        with open_unread_stream(server):
            in_flight = InFlight(server)
            in_flight.start(4, others=1)
            time.sleep(2)  # the unread stream fills the send buffer
            for _ in range(signals):
                server.send_signal(signal.SIGTERM)
                time.sleep(0.3)
            status = server.wait_for_exit(15)
            in_flight.join()
        log = [line for line in server.output.splitlines() if "signal" in line or "Traceback" in line or ".py" in line]
    met = status == 0 and not any("Traceback" in line or ".py" in line for line in log) and len(log) == signals - 1
    bar(f"{signals} times SIGTERM with work in flight: the log", f"{log}", "at most one line, no traceback", met)


def test_signal_during_startup_ends_the_process(bar):
    with Server(ready=False) as server:
        time.sleep(0.2)
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        server.wait_for_exit(10)
        took = time.monotonic() - began
    bar("SIGTERM while it starts", f"{took:.1f} s", "2 s", took <= 2)
