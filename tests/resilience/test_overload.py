"""Overload: excess requests are rejected at once with Retry-After, and goodput, queue and memory stay bounded."""

import asyncio
import random
import threading
import time
from dataclasses import dataclass, field

import httpx
import pytest

from tests.resilience.background import Probe
from tests.resilience.measure import percentile, read_metric, wait_until
from tests.resilience.server_process import CHAT, HELLO, Server

pytestmark = pytest.mark.fault("T9")

WIDTHS = (1, 8, 64)
CAPACITY, QUEUE = 32, 192
FLAGS = ("--max-generations", str(CAPACITY), "--max-waiting-generations", str(QUEUE))
SECONDS_PER_TOKEN = 0.02
TOKENS = 10


def vote(n: int) -> dict[str, object]:
    return HELLO | {"cache": "no-store", "strategy": {"name": "self_consistency", "n": n, "stop_rule": "none"}}


@dataclass(slots=True)
class OpenLoop:
    """Sends requests at a fixed rate, however long the earlier ones take."""

    statuses: list[int] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    """Milliseconds."""
    hints: list[str] = field(default_factory=list)
    finished: int = 0
    """The engine's count of finished generations after the last request was sent."""
    seconds: float = 0.0
    """Time from the first to the last request sent."""
    accepted: int = 0
    """Generations of the accepted requests."""

    async def run(self, server: Server, rate: float, seconds: float) -> None:
        chance = random.Random(9)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=400)
        async with httpx.AsyncClient(timeout=60, limits=limits) as client, asyncio.TaskGroup() as group:
            loop = asyncio.get_running_loop()
            began = loop.time()
            for at in range(int(rate * seconds)):
                await asyncio.sleep(max(0.0, began + at / rate - loop.time()))
                group.create_task(self.send(client, server, chance.choice(WIDTHS)))
            self.finished, self.seconds = server.counters["finished"], loop.time() - began

    async def send(self, client: httpx.AsyncClient, server: Server, n: int) -> None:
        began = time.perf_counter()
        answer = await client.post(server.url + CHAT, json=vote(n))
        self.statuses.append(answer.status_code)
        if answer.status_code == 429:
            self.refusals.append((time.perf_counter() - began) * 1000)
            self.hints.append(answer.headers.get("retry-after", ""))
        else:
            self.accepted += n


def measure_capacity(server: Server, seconds: float) -> float:
    """Return generations per second under a load that keeps all slots busy and is never rejected."""
    stop = time.monotonic() + seconds

    def work() -> None:
        with httpx.Client(timeout=60, verify=False) as client:
            while time.monotonic() < stop:
                client.post(server.url + CHAT, json=vote(16))

    before, threads = server.counters["finished"], [threading.Thread(target=work) for _ in range(5)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (server.counters["finished"] - before) / (time.monotonic() - began)


def check_overload(bar, seconds: float, goodput: float) -> None:
    with Server(flags=FLAGS) as server:
        server.set_knobs(pace=SECONDS_PER_TOKEN, texts=["\\boxed{1} " + "and " * (TOKENS - 1)])
        capacity = measure_capacity(server, min(seconds, 5))
        before, memory, offered = server.counters, server.memory, OpenLoop()
        rate = 4 * capacity / (sum(WIDTHS) / len(WIDTHS))
        depths = list[float]()
        seen = Probe(server, "/metrics", 0.1, lambda text: depths.append(read_metric(text, "cogitate_engine_waiting")))
        with Probe(server) as probe, seen:
            asyncio.run(offered.run(server, rate, seconds))
        after = server.counters
        calm = wait_until(lambda: server.ask(**vote(1)).elapsed.total_seconds() < 3 * SECONDS_PER_TOKEN * TOKENS)
        grown = server.memory - memory
        # Measured on both sides: other work on the machine then slows the capacity and the goodput alike.
        capacities = sorted((capacity, measure_capacity(server, min(seconds, 5))))
        server.assert_healthy()
    started = after["started"] - before["started"]
    kinds = {status: offered.statuses.count(status) for status in sorted(set(offered.statuses))}
    what = f"{rate:.0f} requests a second of n 1, 8 or 64 for {seconds:.0f} s, 4 times the capacity: statuses"
    bar(what, str(kinds), "200 and 429", set(kinds) == {200, 429})
    p99 = percentile(offered.refusals, 99)
    bar("... refusals, p99", f"{p99:.0f} ms", "100 ms", p99 <= 100)
    valid = all(hint.isdecimal() and int(hint) >= 1 for hint in offered.hints)
    bar("... refusals with a whole Retry-After of 1 or more", "all" if valid else "not all", "all", valid)
    bar("... decodes of refused requests", str(started - offered.accepted), "0", started == offered.accepted)
    good = (offered.finished - before["finished"]) / offered.seconds / capacities[0]
    deepest, met = max(depths), 0 < max(depths) <= QUEUE and not seen.failures
    bar(f"... the queue, by its gauge {len(depths)} times", f"{deepest:.0f} at most", f"{QUEUE}", met)
    bar(
        "... goodput beside the saturated capacity",
        f"{good:.0%} of {capacities[0]:.0f}/s",
        f"{goodput:.0%}",
        good >= goodput,
    )
    bar("... memory", f"{grown:+.0f} MiB", "50 MiB", grown <= 50)
    bar("... liveness, p99", f"{probe.p99:.0f} ms", "100 ms", probe.p99 <= 100)
    bar("... back to normal after", f"{calm / 1000:.1f} s", "5 s", calm <= 5000)


def test_excess_requests_are_rejected_at_once(bar):
    check_overload(bar, 4, goodput=0.75)  # 4 s have too few generations, in batches of up to 64, for a closer bound


@pytest.mark.faults
def test_excess_requests_are_rejected_for_a_minute(bar, scale):
    check_overload(bar, 60 * scale, goodput=0.9)


def test_vote_stops_earlier_under_load(bar):
    with Server(flags=("--max-generations", "4")) as server:
        server.set_knobs(pace=0.01)
        alone = server.ask(strategy="self_consistency", cache="no-store").json()["cogitate"]
        load = threading.Thread(target=lambda: server.ask(timeout=60, **vote(64)))
        load.start()
        wait_until(lambda: server.in_flight == 4)
        pressed = server.ask(strategy="self_consistency", timeout=60).json()["cogitate"]
        again = server.ask(strategy="self_consistency", timeout=60)
        exact = server.ask(strategy={"name": "self_consistency", "confidence": 0.95}, cache="no-store", timeout=60)
        load.join()
        server.assert_healthy()
    shed = [result["shed"] for result in (alone, pressed, exact.json()["cogitate"])]
    met = shed == [False, True, False] and "x-cache" not in again.headers
    figure = "{} alone, {} under load, {} with a confidence of the client's".format(*shed)
    bar("a vote on which all agree is decided sooner", figure, "only under load; not cached", met)
