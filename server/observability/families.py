"""The families of our own metrics, by name, with their labels and buckets."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import Metric

SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
QUEUE_BUCKETS = (0.001, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300)
COUNT_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SHARE_BUCKETS = tuple(share / 10 for share in range(1, 11))


class OwnRegistry(CollectorRegistry):
    """Leaves out when each series was created: a quarter of all lines, and Prometheus has no use for them."""

    def collect(self) -> Iterator[Metric]:
        for family in super().collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


class Families:
    """Of requests, of searches, and of what they cost, in one registry. Times are in seconds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._create_request_families()
        self._create_search_families()
        self._create_token_families()
        self.spans = self._counter("spans", "OpenTelemetry spans, by what became of them", "result")
        self.build = self._gauge("build_info", "1, of this version", "version", "engine", "vllm")

    def _create_request_families(self) -> None:
        self.requests = self._counter("requests", "Requests answered", "endpoint", "strategy", "status")
        self.refused = self._counter("refused", "Requests that were refused or failed, by reason", "reason")
        self.seconds = self._seconds("request_seconds", "Seconds from a request to the last byte of its response")
        self.queue = self._histogram(
            "queue_seconds", "Seconds from admission to the first slot for a generation", QUEUE_BUCKETS
        )
        self.cache = self._counter("cache", "Cache look-ups, writes and faults", "result")

    def _create_search_families(self) -> None:
        self.first_token = self._seconds(
            "time_to_first_token_seconds", "Seconds from the start of a search to its first decoded result"
        )
        self.candidates = self._histogram("candidates", "Finished candidates of a search", COUNT_BUCKETS)
        self.reused = self._counter("reused_candidates", "Candidates that earlier requests decoded", "strategy")
        self.agreement = self._histogram("agreement", "Share of the votes that an answer has", SHARE_BUCKETS)
        self.stopped = self._counter("stopped", "Why searches ended", "strategy", "reason")

    def _create_token_families(self) -> None:
        self.prompt_tokens = self._counter(
            "prompt_tokens", "Prompt tokens, by whether the engine's prefix cache had them", "strategy", "cache"
        )
        self.generated_tokens = self._counter(
            "generated_tokens", "Decoded tokens, by what became of them", "strategy", "fate"
        )
        self.tenant_tokens = self._counter("tenant_tokens", "Prompt and decoded tokens, by tenant", "tenant", "kind")
        self.model_tokens = self._counter("model_tokens", "Tokens that searches decoded, by model", "model")
        self.model_failures = self._counter("model_failures", "Decodes of searches that failed, by model", "model")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"cogitate_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        # With several processes under `vllm serve`, one series and not one a process.
        return Gauge(f"cogitate_{name}", text, labels, registry=self._registry, multiprocess_mode="max")

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"cogitate_{name}", text, ["strategy"], buckets=buckets, registry=self._registry)

    def _seconds(self, name: str, text: str) -> Histogram:
        return self._histogram(name, text, SECONDS_BUCKETS)
