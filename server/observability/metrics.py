"""Prometheus, as a fold over a finished trace. Labels come from closed sets only."""

from dataclasses import dataclass, field

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from cogitate.server.planning.plan import Plan
from cogitate.strategies.core.trace import CANDIDATE_ROLES, Aborted, Finished, Sampled, TextEmitted, Trace, Usage

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SHARES = tuple(share / 10 for share in range(1, 11))


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

    def observe_request(self, endpoint: str, strategy: str, status: int, seconds: float) -> None:
        """Takes in one request, whatever it was."""
        self.requests.labels(endpoint, strategy, f"{status // 100}xx").inc()
        self.seconds.labels(endpoint, strategy).observe(seconds)

    def observe(self, plan: Plan, trace: Trace, spent: Usage) -> None:
        """Takes in what one strategy request did, finished or not."""
        name = plan.strategy_name
        kinds = {"prompt": spent.prompt, "cached": spent.cached, "generated": spent.completion}
        for kind, count in {**kinds, "aborted": spent.aborted, "verifier": spent.verifier}.items():
            self.tokens.labels(name, kind).inc(count)
        decoded = [entry for entry in trace.entries if isinstance(entry.event, Sampled | Aborted | TextEmitted)]
        if decoded:
            self.first_token.labels(name).observe(decoded[0].seconds)
        self.candidates.labels(name).observe(sum(isinstance(e, Sampled) and e.role in CANDIDATE_ROLES for e in trace))
        for event in trace:
            if isinstance(event, Finished):
                self.stopped.labels(name, event.stopped).inc()
                if event.outcome.agreement is not None:
                    self.agreement.labels(name).observe(event.outcome.agreement)

    def exposition(self) -> bytes:
        """Ours, and what the engine itself reports in this process."""
        return generate_latest(self.registry) + generate_latest(REGISTRY)
