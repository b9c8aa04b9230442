"""Memory, descriptors, tasks and series stay flat under long use, and the same check detects an injected leak."""

import random
import statistics
import time
from dataclasses import dataclass, field

import pytest

from tests.resilience.concurrent_clients import post_all
from tests.resilience.measure import settle
from tests.resilience.server_process import Server, body, raw

pytestmark = pytest.mark.fault("T27")

BATCH_REQUESTS = 100
WARMUP_BATCHES = 12
"""They fill the server's small caches."""
FLAGS = ("--cache-bytes", str(256 * 1024))
SHORT_SECONDS = 20
MAX_GROWTH_MIB = {SHORT_SECONDS: 3.0, 600: 20.0}
"""By the duration in seconds."""
LEAK_BYTES = 2_000
"""Per sample, as if candidates' texts were never freed."""
VOCABULARY = 1000
"""Words of the questions: the scripted engine's own vocabulary stops growing during the warm-up."""


@dataclass(frozen=True, slots=True)
class State:
    memory: float
    descriptors: int
    tasks: int
    series: int

    @classmethod
    def read(cls, server: Server) -> "State":
        server.assert_healthy()
        descriptors, tasks = settle(lambda: (server.descriptors, int(server.counters["tasks"])))
        lines = server.get("/metrics").text.splitlines()
        series = sum(1 for line in lines if line and line[0] != "#")
        return cls(server.memory, descriptors, tasks, series)


@dataclass(slots=True)
class Soak:
    """Sends mixed requests to a server and records its memory."""

    server: Server
    chance: random.Random = field(default_factory=lambda: random.Random(27))
    requests_sent: int = 0
    memory: list[float] = field(default_factory=list)
    """MiB after each batch."""

    def send_batch(self) -> None:
        """Send chats, votes, streams and idempotency keys, 5 % of them invalid; 10 % more disconnect at once."""
        post_all(self.server, [self.draw_request() for _ in range(BATCH_REQUESTS)], 16)
        for _ in range(BATCH_REQUESTS // 10):
            with self.server.connect() as connection:
                connection.sendall(raw(body(**self.draw_question(), strategy="self_consistency")))
        self.requests_sent += BATCH_REQUESTS + BATCH_REQUESTS // 10
        self.memory.append(self.server.memory)

    def draw_request(self) -> dict[str, object]:
        if self.chance.random() < 0.05:
            return {"messages": "no"}
        kinds: list[dict[str, object]] = [{}, {"stream": True}, {"strategy": "self_consistency"}, {"cache": "no-store"}]
        kinds.append({"headers": {"Idempotency-Key": self.chance.randbytes(8).hex()}})
        return self.draw_question() | self.chance.choice(kinds)

    def draw_question(self) -> dict[str, object]:
        words = " ".join(f"q{self.chance.randrange(VOCABULARY)}" for _ in range(4))
        return {"messages": [{"role": "user", "content": words}]}

    @property
    def growth(self) -> float:
        """MiB, by linear regression over all batches: a single peak is no leak."""
        line = statistics.linear_regression(range(len(self.memory)), self.memory)
        return line.slope * (len(self.memory) - 1)


@dataclass(frozen=True, slots=True)
class Result:
    soak: Soak
    first: State
    last: State

    def is_flat(self, max_growth: float) -> bool:
        few = abs(self.last.descriptors - self.first.descriptors) <= 5 and abs(self.last.tasks - self.first.tasks) <= 5
        return few and self.last.series == self.first.series and self.soak.growth <= max_growth

    def __str__(self) -> str:
        descriptors, tasks = self.last.descriptors - self.first.descriptors, self.last.tasks - self.first.tasks
        series = self.last.series - self.first.series
        ends = self.last.memory - self.first.memory
        memory = f"{self.soak.growth:+.1f} MiB (end to end {ends:+.1f})"
        return f"{memory}, {descriptors:+d} fds, {tasks:+d} tasks, {series:+d} series"


def run_soak(seconds: int, leak: int) -> Result:
    with Server(flags=FLAGS) as server:
        server.set_knobs(fail=0.05, leak=leak)
        soak = Soak(server)
        server.get("/metrics")  # the first request for /metrics adds series
        for _ in range(WARMUP_BATCHES):
            soak.send_batch()
        soak.requests_sent, soak.memory = 0, []
        first, until = State.read(server), time.monotonic() + seconds
        while time.monotonic() < until:
            soak.send_batch()
        return Result(soak, first, State.read(server))


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seconds", MAX_GROWTH_MIB)
def test_server_stays_flat_under_long_use(bar, seconds: int):
    result, limit = run_soak(seconds, leak=0), MAX_GROWTH_MIB[seconds]
    what = f"{seconds} s, {result.soak.requests_sent} requests, 10 % hang up, 5 % wrong, 5 % of samples lost"
    bar(what, str(result), f"+{limit:.0f} MiB, ±5, ±5, +0", result.is_flat(limit))


@pytest.mark.faults
def test_injected_leak_is_detected(bar):
    result = run_soak(SHORT_SECONDS, LEAK_BYTES)
    seen = result.soak.growth > MAX_GROWTH_MIB[SHORT_SECONDS] and not result.is_flat(MAX_GROWTH_MIB[SHORT_SECONDS])
    bar(
        f"the same, {result.soak.requests_sent} requests, {LEAK_BYTES} bytes leaked a sample",
        str(result),
        "not flat",
        seen,
    )
