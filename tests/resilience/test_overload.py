"""T9: more work than there is room for."""

import asyncio
import random
import threading
import time
from dataclasses import dataclass, field

import httpx
import pytest

from tests.resilience.server_process import CHAT, HELLO, Probe, Server, eventually, metric, percentile

WIDTHS = (1, 8, 64)
CAPACITY, QUEUE = 32, 192
FLAGS = ("--max-generations", str(CAPACITY), "--max-waiting-generations", str(QUEUE))
PACE = 0.02
WORDS = 10


def vote(n: int) -> dict[str, object]:
    return HELLO | {"cache": "no-store", "strategy": {"name": "self_consistency", "n": n, "stop_rule": "none"}}


@dataclass(slots=True)
class Offered:
    """An open loop: requests come at their rate, whatever becomes of the earlier ones."""

    statuses: list[int] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    """Milliseconds."""
    hints: list[str] = field(default_factory=list)
    finished: int = 0
    """What the engine had finished when the last one had been offered,"""
    seconds: float = 0.0
    """and how long that took."""
    accepted: int = 0
    """Generations of the requests that were answered."""

    async def run(self, server: Server, rate: float, seconds: float) -> None:
        chance = random.Random(9)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=400)
        async with httpx.AsyncClient(timeout=60, limits=limits) as client, asyncio.TaskGroup() as group:
            loop = asyncio.get_running_loop()
            began = loop.time()
            for at in range(int(rate * seconds)):
                await asyncio.sleep(max(0.0, began + at / rate - loop.time()))
                group.create_task(self.one(client, server, chance.choice(WIDTHS)))
            self.finished, self.seconds = server.counters["finished"], loop.time() - began

    async def one(self, client: httpx.AsyncClient, server: Server, n: int) -> None:
        began = time.perf_counter()
        answer = await client.post(server.url + CHAT, json=vote(n))
        self.statuses.append(answer.status_code)
        if answer.status_code == 429:
            self.refusals.append((time.perf_counter() - began) * 1000)
            self.hints.append(answer.headers.get("retry-after", ""))
        else:
            self.accepted += n


def saturated(server: Server, seconds: float) -> float:
    """Generations a second when there is always more to do, and never too much."""
    stop = time.monotonic() + seconds

    def lane() -> None:
        with httpx.Client(timeout=60, verify=False) as client:
            while time.monotonic() < stop:
                client.post(server.url + CHAT, json=vote(16))

    before, threads = server.counters["finished"], [threading.Thread(target=lane) for _ in range(5)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (server.counters["finished"] - before) / (time.monotonic() - began)


def judged(bar, seconds: float) -> None:
    with Server(flags=FLAGS) as server:
        server.turn(pace=PACE, texts=["\\boxed{1} " + "and " * (WORDS - 1)])
        capacity = saturated(server, min(seconds, 5))
        before, memory, offered = server.counters, server.memory, Offered()
        rate = 4 * capacity / (sum(WIDTHS) / len(WIDTHS))
        depths = list[float]()
        seen = Probe(server, "/metrics", 0.1, lambda said: depths.append(metric(said, "cogitate_engine_waiting")))
        with Probe(server) as probe, seen:
            asyncio.run(offered.run(server, rate, seconds))
        after = server.counters
        calm = eventually(lambda: server.ask(**vote(1)).elapsed.total_seconds() < 3 * PACE * WORDS)
        grown = server.memory - memory
        server.healthy()
    started = after["started"] - before["started"]
    kinds = {status: offered.statuses.count(status) for status in sorted(set(offered.statuses))}
    what = f"{rate:.0f} requests a second of n 1, 8 or 64 for {seconds:.0f} s, 4 times the capacity: statuses"
    bar("T9", what, str(kinds), "200 and 429", set(kinds) == {200, 429})
    p99 = percentile(offered.refusals, 99)
    bar("T9", "... refusals, p99", f"{p99:.0f} ms", "100 ms", p99 <= 100)
    named = all(hint.isdecimal() and int(hint) >= 1 for hint in offered.hints)
    bar("T9", "... refusals with a whole Retry-After of 1 or more", "all" if named else "not all", "all", named)
    bar("T9", "... decodes of refused requests", str(started - offered.accepted), "0", started == offered.accepted)
    good = (offered.finished - before["finished"]) / offered.seconds / capacity
    deepest, met = max(depths), 0 < max(depths) <= QUEUE and not seen.failures
    bar("T9", f"... the queue, by its gauge {len(depths)} times", f"{deepest:.0f} at most", f"{QUEUE}", met)
    bar("T9", "... goodput beside the saturated capacity", f"{good:.0%} of {capacity:.0f}/s", "90 %", good >= 0.9)
    bar("T9", "... memory", f"{grown:+.0f} MiB", "50 MiB", grown <= 50)
    bar("T9", "... liveness, p99", f"{probe.p99:.0f} ms", "100 ms", probe.p99 <= 100)
    bar("T9", "... back to normal after", f"{calm / 1000:.1f} s", "5 s", calm <= 5000)


def test_t9_more_than_there_is_room_for_is_refused_at_once(bar):
    judged(bar, 4)


@pytest.mark.faults
def test_t9_a_minute_of_overload(bar, scale):
    judged(bar, 60 * scale)


def test_t9_under_load_a_vote_sheds_what_it_hardly_needs(bar):
    with Server(flags=("--max-generations", "4")) as server:
        server.turn(pace=0.01)
        alone = server.ask(strategy="self_consistency", cache="no-store").json()["cogitate"]
        loud = threading.Thread(target=lambda: server.ask(timeout=60, **vote(64)))
        loud.start()
        eventually(lambda: server.busy == 4)
        pressed = server.ask(strategy="self_consistency", timeout=60).json()["cogitate"]
        again = server.ask(strategy="self_consistency", timeout=60)
        exact = server.ask(strategy={"name": "self_consistency", "confidence": 0.95}, cache="no-store", timeout=60)
        loud.join()
        server.healthy()
    shed = [found["shed"] for found in (alone, pressed, exact.json()["cogitate"])]
    met = shed == [False, True, False] and "x-cache" not in again.headers
    figure = "{} alone, {} under load, {} with a confidence of the client's".format(*shed)
    bar("T9", "a vote on which all agree is decided sooner", figure, "only under load; not cached", met)
