"""Prometheus metrics. Labels have a closed set of values, so that no client can create series."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import get_args

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from cogitate.server.planning.plan import Plan
from cogitate.strategies import STRATEGIES
from cogitate.strategies.core.model_usage import usage_by_model
from cogitate.strategies.core.stock import count_reused
from cogitate.strategies.core.trace import (
    CANDIDATE_ROLES,
    Aborted,
    Finished,
    Sampled,
    Stopped,
    TextEmitted,
    Trace,
    Usage,
)
from cogitate.strategies.decisions.decide import Bill

SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
COUNT_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SHARE_BUCKETS = tuple(share / 10 for share in range(1, 11))
CACHE_RESULTS = ("hit", "miss", "joined", "stored", "corrupt", "unavailable")
SPAN_RESULTS = ("exported", "failed", "dropped")
TOKEN_KINDS = ("prompt", "cached", "generated", "aborted", "verifier")
STATUS_CLASSES = ("2xx", "4xx", "5xx")
STRATEGY_ENDPOINTS = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/responses"})
"""Requests to these paths may name a strategy."""
DECISIONS = "decisions"
"""Stands in place of a strategy's name."""


@dataclass(slots=True)
class Metrics:
    """The server's own metrics, in a registry of their own. Times are in seconds.

    Series exist from the start, with the value 0: the first event of a kind is an increase and not a new series.
    `cogitate_request_seconds` is the exception: it would have 700 of them, and `cogitate_requests` counts the same.
    """

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    requests: Counter = field(init=False)
    seconds: Histogram = field(init=False)
    first_token: Histogram = field(init=False)
    tokens: Counter = field(init=False)
    model_tokens: Counter = field(init=False)
    model_failures: Counter = field(init=False)
    candidates: Histogram = field(init=False)
    reused: Counter = field(init=False)
    agreement: Histogram = field(init=False)
    stopped: Counter = field(init=False)
    cache: Counter = field(init=False)
    spans: Counter = field(init=False)
    in_flight: Gauge = field(init=False)
    running: Gauge = field(init=False)
    waiting: Gauge = field(init=False)
    ready: Gauge = field(init=False)
    stalled: Gauge = field(init=False)

    def __post_init__(self) -> None:
        self._create_request_metrics()
        self._create_search_metrics()
        self._create_gauges()
        for result in CACHE_RESULTS:
            self.cache.labels(result)
        for result in SPAN_RESULTS:
            self.spans.labels(result)
        for name in (*STRATEGIES, DECISIONS):
            for kind in TOKEN_KINDS:
                self.tokens.labels(name, kind)
        for strategy in STRATEGIES:
            self.reused.labels(strategy)
            for reason in get_args(Stopped):
                self.stopped.labels(strategy, reason)
            for histogram in (self.first_token, self.candidates, self.agreement):
                histogram.labels(strategy)

    @classmethod
    def in_process_registry(cls) -> "Metrics":
        """Returns metrics in the registry that vLLM's own server exposes. Once a process."""
        return cls(REGISTRY)

    def create_request_series(self, endpoints: Iterable[str]) -> None:
        """Creates the series of requests to these paths, under every strategy where they may name one."""
        for endpoint in endpoints:
            strategies = ("none", *STRATEGIES) if endpoint in STRATEGY_ENDPOINTS else ("none",)
            for strategy in strategies:
                for status in STATUS_CLASSES:
                    self.requests.labels(endpoint, strategy, status)

    def create_model_series(self, names: Iterable[str]) -> None:
        """Creates the series of these models."""
        for name in names:
            self.model_tokens.labels(name)
            self.model_failures.labels(name)

    def observe_request(self, endpoint: str, strategy: str, status: int, seconds: float) -> None:
        """Counts one request of any kind. `seconds`: from its arrival to the last byte of the response."""
        self.requests.labels(endpoint, strategy, f"{status // 100}xx").inc()
        self.seconds.labels(endpoint, strategy).observe(seconds)

    def observe(self, plan: Plan, trace: Trace, usage: Usage) -> None:
        """Counts what a search did, whether it finished or not."""
        name = plan.strategy_name
        counts = usage.prompt, usage.cached, usage.completion, usage.aborted, usage.verifier
        for kind, count in zip(TOKEN_KINDS, counts, strict=True):
            self.tokens.labels(name, kind).inc(count)
        for model, own in usage_by_model(trace, plan.served_model).items():
            self.model_tokens.labels(model).inc(own.completion)
            self.model_failures.labels(model).inc(len(own.failures))
        decoded = [entry for entry in trace.entries if isinstance(entry.event, Sampled | Aborted | TextEmitted)]
        if decoded:
            self.first_token.labels(name).observe(decoded[0].seconds)
        self.candidates.labels(name).observe(sum(isinstance(e, Sampled) and e.role in CANDIDATE_ROLES for e in trace))
        if reused := count_reused(trace):
            self.reused.labels(name).inc(reused)
        for event in trace:
            if isinstance(event, Finished):
                self.stopped.labels(name, event.stopped).inc()
                if event.outcome.agreement is not None:
                    self.agreement.labels(name).observe(event.outcome.agreement)

    def observe_decision(self, bill: Bill) -> None:
        """Counts the tokens of a decisions request under the name `decisions`."""
        counts = bill.prompt_tokens, bill.cached_tokens, bill.completion_tokens, bill.aborted_tokens, 0
        for kind, count in zip(TOKEN_KINDS, counts, strict=True):
            self.tokens.labels(DECISIONS, kind).inc(count)

    def exposition(self) -> bytes:
        """Returns these metrics and those that the engine reports in this process, in Prometheus's text format."""
        return generate_latest(self.registry) + generate_latest(REGISTRY)

    def _create_request_metrics(self) -> None:
        registry = self.registry
        self.requests = Counter(
            "cogitate_requests", "Requests answered", ["endpoint", "strategy", "status"], registry=registry
        )
        self.seconds = Histogram(
            "cogitate_request_seconds",
            "Seconds from the request to the last byte of the response",
            ["endpoint", "strategy"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.cache = Counter("cogitate_cache", "Cache look-ups, writes and faults", ["result"], registry=registry)
        self.spans = Counter(
            "cogitate_spans", "OpenTelemetry spans, by what became of them", ["result"], registry=registry
        )

    def _create_search_metrics(self) -> None:
        registry, labels = self.registry, ["strategy"]
        self.first_token = Histogram(
            "cogitate_time_to_first_token_seconds",
            "Seconds from the start of a search to its first decoded result",
            labels,
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.tokens = Counter("cogitate_tokens", "Tokens by kind", [*labels, "kind"], registry=registry)
        self.model_tokens = Counter(
            "cogitate_model_tokens", "Tokens that searches decoded, by model", ["model"], registry=registry
        )
        self.model_failures = Counter(
            "cogitate_model_failures", "Decodes of searches that failed, by model", ["model"], registry=registry
        )
        self.candidates = Histogram(
            "cogitate_candidates", "Finished candidates of a search", labels, buckets=COUNT_BUCKETS, registry=registry
        )
        self.reused = Counter(
            "cogitate_reused_candidates", "Candidates that earlier requests decoded", labels, registry=registry
        )
        self.agreement = Histogram(
            "cogitate_agreement",
            "Share of the votes that the answer of a search has",
            labels,
            buckets=SHARE_BUCKETS,
            registry=registry,
        )
        self.stopped = Counter("cogitate_stopped", "Why searches ended", [*labels, "reason"], registry=registry)

    def _create_gauges(self) -> None:
        registry = self.registry
        self.in_flight = Gauge("cogitate_requests_in_flight", "Requests being answered", registry=registry)
        self.running = Gauge("cogitate_engine_running", "Sequences being decoded", registry=registry)
        self.waiting = Gauge(
            "cogitate_engine_waiting", "Sequences waiting for a slot or in the engine's queue", registry=registry
        )
        self.stalled = Gauge("cogitate_engine_stalled", "1 while a busy engine generates no tokens", registry=registry)
        self.ready = Gauge("cogitate_ready", "1 while requests are accepted", registry=registry)
