"""T27: a server that is used for long stays as it is; and a leak that is put into it is seen by the same check."""

import random
import time
from dataclasses import dataclass

import pytest

from tests.faults.crowd import crowd
from tests.faults.rig import Server

BATCH = 100
WARM = 3
"""Batches that do not count."""
SECONDS = [30, 600]
GROWTH = {30: 8.0, 600: 20.0}
"""MiB at most."""


@dataclass(frozen=True, slots=True)
class State:
    memory: float
    descriptors: int
    tasks: int
    series: int

    @classmethod
    def of(cls, server: Server) -> "State":
        server.healthy()
        time.sleep(0.5)
        measured = server.get("/metrics").text.splitlines()
        series = sum(1 for line in measured if line and line[0] != "#")
        return cls(server.memory, server.descriptors, int(server.counters["tasks"]), series)

    def flat(self, since: "State", most: float) -> bool:
        few = abs(self.descriptors - since.descriptors) <= 5 and abs(self.tasks - since.tasks) <= 5
        return few and self.series == since.series and self.memory - since.memory <= most

    def told(self, since: "State") -> str:
        grown = self.memory - since.memory, self.descriptors - since.descriptors, self.tasks - since.tasks
        return f"{grown[0]:+.1f} MiB, {grown[1]:+d} fds, {grown[2]:+d} tasks, {self.series - since.series:+d} series"


def batch(chance: random.Random) -> list[dict[str, object]]:
    """Plain chat, votes and streams; one in twenty is wrong."""
    kinds: list[dict[str, object]] = [{}, {"stream": True}, {"strategy": "self_consistency"}, {"cache": "no-store"}]
    asks = [
        {"messages": [{"role": "user", "content": f"{chance.random()}?"}]} | chance.choice(kinds) for _ in range(BATCH)
    ]
    return [{"messages": "no"} if chance.random() < 0.05 else asked for asked in asks]


def soaked(seconds: int, leak: int) -> tuple[State, State, int]:
    """The state after warming up, and at the end, and how many were asked meanwhile."""
    chance, asked = random.Random(27), 0
    with Server() as server:
        server.turn(fail=0.05)
        for _ in range(WARM):
            crowd(server, batch(chance), 16)
        server.get("/metrics")  # which is a request of its own kind, with series of its own
        server.turn(leak=leak)
        first, until = State.of(server), time.monotonic() + seconds
        while time.monotonic() < until:
            asked += len(crowd(server, batch(chance), 16))
        return first, State.of(server), asked


@pytest.mark.faults
@pytest.mark.parametrize("seconds", SECONDS)
def test_t27_a_soak_stays_flat(bar, seconds: int):
    first, last, asked = soaked(seconds, leak=0)
    most = GROWTH[seconds]
    figure = last.told(first)
    what = f"{seconds} s, {asked} requests, 5 % wrong, 5 % of samples lost"
    bar("T27", what, figure, f"+{most:.0f} MiB, ±5, ±5, +0", last.flat(first, most))


@pytest.mark.faults
def test_t27_a_leak_is_seen(bar):
    first, last, asked = soaked(30, leak=20_000)
    seen = not last.flat(first, GROWTH[30]) and last.memory - first.memory > GROWTH[30]
    bar("T27", f"the same over {asked} requests, 20 kB leaked a sample", last.told(first), "not flat", seen)
