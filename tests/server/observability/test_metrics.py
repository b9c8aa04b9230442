"""The metrics of requests, and which series exist before the first request."""

from prometheus_client.parser import text_string_to_metric_families

from cogitate.server.api.routers import list_paths
from cogitate.server.observability.metrics import CACHE_RESULTS, STRATEGY_ENDPOINTS, Metrics
from cogitate.strategies import STRATEGIES


def read_samples(metrics: Metrics, *names: str) -> list[str]:
    return sorted(line for line in metrics.exposition().decode().splitlines() if line.startswith(names))


def test_every_request_is_counted_and_timed_by_endpoint_strategy_and_class_of_status():
    metrics = Metrics()
    metrics.observe_request("/a", "none", 200, 0.5)
    metrics.observe_request("/a", "none", 204, 0.25)
    metrics.observe_request("/b", "none", 404, 1)
    assert read_samples(metrics, "cogitate_requests_total", "cogitate_request_seconds_sum") == [
        'cogitate_request_seconds_sum{endpoint="/a",strategy="none"} 0.75',
        'cogitate_request_seconds_sum{endpoint="/b",strategy="none"} 1.0',
        'cogitate_requests_total{endpoint="/a",status="2xx",strategy="none"} 2.0',
        'cogitate_requests_total{endpoint="/b",status="4xx",strategy="none"} 1.0',
    ]


def test_counters_with_known_labels_are_zero_before_the_first_request():
    families = {family.name: family for family in text_string_to_metric_families(Metrics().exposition().decode())}
    cache = {sample.labels["result"]: sample.value for sample in families["cogitate_cache"].samples}
    assert cache == dict.fromkeys(CACHE_RESULTS, 0.0)
    for name in ("cogitate_candidates", "cogitate_agreement", "cogitate_time_to_first_token_seconds"):
        counts = [sample for sample in families[name].samples if sample.name.endswith("_count")]
        assert {sample.value for sample in counts} == {0.0} and len(counts) == len(STRATEGIES)
    for name in ("cogitate_tokens", "cogitate_stopped"):
        samples = [sample for sample in families[name].samples if sample.name.endswith("_total")]
        assert {sample.value for sample in samples} == {0.0}
        assert {"self_consistency", "auto"} <= {sample.labels["strategy"] for sample in samples}


def test_requests_are_zero_for_every_endpoint_and_strategy_before_the_first():
    metrics = Metrics()
    metrics.create_request_series([*list_paths(), "other"])
    zeros = read_samples(metrics, "cogitate_requests_total")
    assert all(line.endswith(" 0.0") for line in zeros) and list_paths() > STRATEGY_ENDPOINTS
    assert 'cogitate_requests_total{endpoint="/v1/responses",status="5xx",strategy="auto"} 0.0' in zeros
    assert 'cogitate_requests_total{endpoint="other",status="4xx",strategy="none"} 0.0' in zeros
