"""T27: a server that is used for long stays as it is; and a leak that is put into it is seen by the same check."""

import random
import statistics
import time
from dataclasses import dataclass, field

import pytest

from tests.resilience.concurrent_clients import crowd
from tests.resilience.server_process import Server, body, raw

BATCH = 100
WARM = 12
"""Batches that do not count: what is kept on purpose is full by then, since the soak's server keeps little."""
FLAGS = ("--cache-bytes", str(256 * 1024))
SHORT = 20
GROWTH = {SHORT: 3.0, 600: 20.0}
"""MiB at most, by the seconds that it lasts."""
LEAK = 2_000
"""Bytes a sample: as if what a candidate said were never let go."""
WORDS = 1000
"""Of which questions are made: the script's own vocabulary is full by the end of the warming up."""


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


@dataclass(slots=True)
class Soak:
    """A server under mixed use, and how it grew."""

    server: Server
    chance: random.Random = field(default_factory=lambda: random.Random(27))
    asked: int = 0
    memory: list[float] = field(default_factory=list)
    """MiB behind each batch."""

    def batch(self) -> None:
        """Plain chat, votes, streams and idempotency keys; one in twenty is wrong, and one in ten hangs up at once."""
        crowd(self.server, [self.request() for _ in range(BATCH)], 16)
        for _ in range(BATCH // 10):
            with self.server.socket() as leaving:
                leaving.sendall(raw(body(**self.question(), strategy="self_consistency")))
        self.asked += BATCH + BATCH // 10
        self.memory.append(self.server.memory)

    def request(self) -> dict[str, object]:
        if self.chance.random() < 0.05:
            return {"messages": "no"}
        kinds: list[dict[str, object]] = [{}, {"stream": True}, {"strategy": "self_consistency"}, {"cache": "no-store"}]
        kinds.append({"headers": {"Idempotency-Key": self.chance.randbytes(8).hex()}})
        return self.question() | self.chance.choice(kinds)

    def question(self) -> dict[str, object]:
        words = " ".join(f"q{self.chance.randrange(WORDS)}" for _ in range(4))
        return {"messages": [{"role": "user", "content": words}]}

    @property
    def growth(self) -> float:
        """MiB by the line through all that was measured: one batch that needed more at its height is no leak."""
        line = statistics.linear_regression(range(len(self.memory)), self.memory)
        return line.slope * (len(self.memory) - 1)


@dataclass(frozen=True, slots=True)
class Found:
    soak: Soak
    first: State
    last: State

    def flat(self, most: float) -> bool:
        few = abs(self.last.descriptors - self.first.descriptors) <= 5 and abs(self.last.tasks - self.first.tasks) <= 5
        return few and self.last.series == self.first.series and self.soak.growth <= most

    def __str__(self) -> str:
        """What is told of it."""
        descriptors, tasks = self.last.descriptors - self.first.descriptors, self.last.tasks - self.first.tasks
        series = self.last.series - self.first.series
        ends = self.last.memory - self.first.memory
        memory = f"{self.soak.growth:+.1f} MiB (end to end {ends:+.1f})"
        return f"{memory}, {descriptors:+d} fds, {tasks:+d} tasks, {series:+d} series"


def soaked(seconds: int, leak: int) -> Found:
    with Server(flags=FLAGS) as server:
        server.turn(fail=0.05, leak=leak)
        soak = Soak(server)
        server.get("/metrics")  # which is a request of its own kind, with series of its own
        for _ in range(WARM):
            soak.batch()
        soak.asked, soak.memory = 0, []
        first, until = State.of(server), time.monotonic() + seconds
        while time.monotonic() < until:
            soak.batch()
        return Found(soak, first, State.of(server))


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seconds", GROWTH)
def test_t27_a_soak_stays_flat(bar, seconds: int):
    found, most = soaked(seconds, leak=0), GROWTH[seconds]
    what = f"{seconds} s, {found.soak.asked} requests, 10 % hang up, 5 % wrong, 5 % of samples lost"
    bar("T27", what, str(found), f"+{most:.0f} MiB, ±5, ±5, +0", found.flat(most))


@pytest.mark.faults
def test_t27_a_leak_is_seen(bar):
    found = soaked(SHORT, LEAK)
    seen = found.soak.growth > GROWTH[SHORT] and not found.flat(GROWTH[SHORT])
    bar("T27", f"the same, {found.soak.asked} requests, {LEAK} bytes leaked a sample", str(found), "not flat", seen)
