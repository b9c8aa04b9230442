"""T14: a server that is told to stop finishes what it can, refuses what is new, and goes."""

import signal
import threading
import time
from dataclasses import dataclass, field

import httpx

from tests.resilience.server_process import CHAT, HELLO, Server, eventually

VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "none"}


@dataclass(slots=True)
class Load:
    """Forty requests under way, every other one a stream."""

    server: Server
    whole: list[bool] = field(default_factory=list)
    """Of those that ended: whether the answer came whole."""
    clean: list[bool] = field(default_factory=list)
    """Of the others: whether they ended as interface.md says an error ends."""
    ends: list[float] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self, count: int = 40) -> None:
        self.threads = [threading.Thread(target=self._one, args=(at % 2 == 0,)) for at in range(count)]
        for thread in self.threads:
            thread.start()
        eventually(lambda: self.server.counters["running"] == count * 4)

    def join(self) -> None:
        for thread in self.threads:
            thread.join()

    def _one(self, stream: bool) -> None:
        said = HELLO | {"strategy": VOTE, "cache": "no-store", "stream": stream}
        try:
            answer = httpx.post(self.server.url + CHAT, json=said, timeout=60, verify=False)
        except httpx.TransportError:
            self.clean.append(False)
        else:
            whole = answer.status_code == 200 and (answer.text.endswith("data: [DONE]\n\n") if stream else True)
            if whole:
                self.whole.append(True)
            else:
                self.clean.append('"error"' in answer.text and "[DONE]" not in answer.text)
        self.ends.append(time.monotonic())


def test_t14_what_fits_into_the_drain_is_finished(bar):
    with Server(flags=("--drain-seconds", "10")) as server:
        server.turn(pace=0.1)
        load = Load(server)
        load.start()
        server.signal(signal.SIGTERM)
        unready = eventually(lambda: server.get("/health/ready").status_code == 503)
        refused = server.ask(strategy="self_consistency")
        load.join()
        status = server.ended(5)
    bar("T14", "SIGTERM: ready is 503 after", f"{unready:.0f} ms", "200 ms", unready <= 200)
    closing = refused.headers.get("connection", "")
    figure = f"{refused.status_code}, connection {closing}"
    bar("T14", "... new work meanwhile", figure, "503, close", (refused.status_code, closing) == (503, "close"))
    figure = f"{len(load.whole)} whole of 40; exit {status}"
    bar("T14", "... 40 in flight that fit the drain limit", figure, "40; exit 0", len(load.whole) == 40 and status == 0)


def test_t14_what_does_not_fit_ends_cleanly(bar):
    with Server(flags=("--drain-seconds", "1")) as server:
        server.turn(pace=0.2, texts=["and on " * 100])
        load = Load(server)
        load.start()
        told = time.monotonic()
        server.signal(signal.SIGTERM)
        load.join()
        status = server.ended(5)
        exited = time.monotonic() - told
    last = max(load.ends) - told
    figure = f"{sum(load.clean)} clean errors of 40, the last at {last:.2f} s; exit {status} at {exited:.2f} s"
    met = sum(load.clean) == 40 and last <= 2 and status == 0 and exited <= 3
    bar("T14", "... 40 that do not, drain limit 1 s", figure, "40, 2 s; exit 0 at 3 s", met)


def test_t14_a_second_signal_waits_for_nothing(bar):
    figures = []
    for signals in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT)):
        with Server(flags=("--drain-seconds", "60")) as server:
            server.turn(pace=1.0)
            load = Load(server)
            load.start(4)
            server.signal(signals[0])
            time.sleep(0.3)
            told = time.monotonic()
            server.signal(signals[1])
            status = server.ended(10)
            figures.append((time.monotonic() - told, status))
            load.join()
    figure = ", ".join(f"{seconds:.1f} s, exit {status}" for seconds, status in figures)
    bar("T14", "SIGTERM twice, SIGINT twice", figure, "4 s", all(seconds <= 4 for seconds, _ in figures))


def test_t14_a_signal_at_the_start_is_obeyed(bar):
    with Server(ready=False) as server:
        time.sleep(0.2)
        told = time.monotonic()
        server.signal(signal.SIGTERM)
        server.ended(10)
        took = time.monotonic() - told
    bar("T14", "SIGTERM while it starts", f"{took:.1f} s", "2 s", took <= 2)
