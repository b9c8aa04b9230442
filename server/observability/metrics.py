"""Prometheus, as a fold over a finished trace. Labels come from closed sets only."""

from dataclasses import dataclass, field
from typing import Any, TypeVar

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from cogitate.server.planning.plan import Plan
from cogitate.strategies.core.trace import CANDIDATES, Aborted, Finished, Sampled, Spoken, Trace, Usage

M = TypeVar("M", Counter, Histogram)
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SHARES = tuple(share / 10 for share in range(1, 11))
MOST_TOLD = 256
"""Requests that are counted together, unless somebody looks before."""


@dataclass(slots=True)
class Metrics:
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    requests: Counter = field(init=False)
    seconds: Histogram = field(init=False)
    first_token: Histogram = field(init=False)
    tokens: Counter = field(init=False)
    candidates: Histogram = field(init=False)
    agreement: Histogram = field(init=False)
    stopped: Counter = field(init=False)
    cache: Counter = field(init=False)
    in_flight: Gauge = field(init=False)
    running: Gauge = field(init=False)
    waiting: Gauge = field(init=False)
    ready: Gauge = field(init=False)
    stalled: Gauge = field(init=False)
    series: dict[tuple[object, tuple[str, ...]], Any] = field(default_factory=dict)
    told: list[tuple[str, str, int, float, bool]] = field(default_factory=list)
    """Requests that are answered and not yet counted."""

    def __post_init__(self) -> None:
        to = self.registry
        by = ["strategy"]
        self.requests = Counter(
            "cogitate_requests", "Requests answered", ["endpoint", "strategy", "status"], registry=to
        )
        self.seconds = Histogram(
            "cogitate_request_seconds", "From request to last byte", ["endpoint", *by], buckets=SECONDS, registry=to
        )
        self.first_token = Histogram(
            "cogitate_time_to_first_token_seconds", "To the first decoded result", by, buckets=SECONDS, registry=to
        )
        self.tokens = Counter("cogitate_tokens", "Tokens by kind", [*by, "kind"], registry=to)
        self.candidates = Histogram("cogitate_candidates", "Candidates finished", by, buckets=COUNTS, registry=to)
        self.agreement = Histogram("cogitate_agreement", "Share of the answer", by, buckets=SHARES, registry=to)
        self.stopped = Counter("cogitate_stopped", "Why searches ended", [*by, "reason"], registry=to)
        self.cache = Counter("cogitate_cache", "Answers looked up and kept", ["result"], registry=to)
        self.in_flight = Gauge("cogitate_requests_in_flight", "Requests being answered", registry=to)
        self.running = Gauge("cogitate_engine_running", "Sequences being decoded", registry=to)
        self.waiting = Gauge("cogitate_engine_waiting", "Sequences waiting for a turn or in the engine", registry=to)
        self.stalled = Gauge("cogitate_engine_stalled", "1 while an engine with work makes no tokens", registry=to)
        self.ready = Gauge("cogitate_ready", "1 when requests are taken", registry=to)

    def answered(self, endpoint: str, strategy: str, status: int, seconds: float, *, hit: bool = False) -> None:
        """Takes in one request, whatever it was, but counts it later: the next one waits already.

        `hit`: its answer was cached, and nothing else has counted that.
        """
        self.told.append((endpoint, strategy, status, seconds, hit))
        if len(self.told) >= MOST_TOLD:
            self._count()

    def _count(self) -> None:
        told, self.told = self.told, []
        self.cache.labels("hit").inc(sum(hit for *_, hit in told))
        for endpoint, strategy, status, seconds, _ in told:
            self._of(self.requests, endpoint, strategy, f"{status // 100}xx").inc()
            self._of(self.seconds, endpoint, strategy).observe(seconds)

    def observe(self, plan: Plan, trace: Trace, spent: Usage) -> None:
        """Takes in what one strategy request did, finished or not."""
        name = plan.strategy_name
        kinds = {"prompt": spent.prompt, "cached": spent.cached, "generated": spent.completion}
        for kind, count in {**kinds, "aborted": spent.aborted, "verifier": spent.verifier}.items():
            self._of(self.tokens, name, kind).inc(count)
        decoded = [entry for entry in trace.entries if isinstance(entry.event, Sampled | Aborted | Spoken)]
        if decoded:
            self._of(self.first_token, name).observe(decoded[0].seconds)
        self._of(self.candidates, name).observe(sum(isinstance(e, Sampled) and e.role in CANDIDATES for e in trace))
        for event in trace:
            if isinstance(event, Finished):
                self._of(self.stopped, name, event.stopped).inc()
                if event.outcome.agreement is not None:
                    self._of(self.agreement, name).observe(event.outcome.agreement)

    def _of(self, metric: M, *labels: str) -> M:
        """A series of it, kept: looking it up takes longer than counting."""
        series: M | None = self.series.get((metric, labels))
        if series is None:
            series = self.series[metric, labels] = metric.labels(*labels)
        return series

    def exposition(self) -> bytes:
        """Ours, and what the engine itself reports in this process."""
        self._count()
        return generate_latest(self.registry) + generate_latest(REGISTRY)
