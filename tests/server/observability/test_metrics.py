"""The metrics of requests, which series exist before the first request, and what hostile numbers do to them."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cogitate.server.api.routers import list_paths
from cogitate.server.errors import REASONS
from cogitate.server.observability.metrics import CACHE_RESULTS, STRATEGY_ENDPOINTS, Metrics
from cogitate.strategies import STRATEGIES
from tests.resilience.measure import read_metric


def read_samples(metrics: Metrics, *names: str) -> list[str]:
    return sorted(line for line in metrics.exposition().decode().splitlines() if line.startswith(names))


def test_every_request_is_counted_by_endpoint_strategy_and_class_of_status():
    metrics = Metrics()
    metrics.observe_request("/a", "none", 200, 0.5, None)
    metrics.observe_request("/a", "none", 204, 0.25, None)
    metrics.observe_request("/b", "none", 404, 1, "not_found")
    assert read_samples(metrics, "cogitate_requests_total") == [
        'cogitate_requests_total{endpoint="/a",status="2xx",strategy="none"} 2.0',
        'cogitate_requests_total{endpoint="/b",status="4xx",strategy="none"} 1.0',
    ]


def test_requests_that_a_model_answers_are_timed_by_strategy():
    metrics = Metrics()
    metrics.observe_request("/v1/models", "none", 200, 9, None)
    metrics.observe_request("/v1/messages", "none", 200, 0.5, None)
    metrics.observe_request("/v1/responses", "auto", 200, 0.25, None)
    metrics.observe_request("/v1/decisions", "none", 200, 2, None)
    sums = [line for line in read_samples(metrics, "cogitate_request_seconds_sum") if not line.endswith(" 0.0")]
    assert sums == [
        'cogitate_request_seconds_sum{strategy="auto"} 0.25',
        'cogitate_request_seconds_sum{strategy="decisions"} 2.0',
        'cogitate_request_seconds_sum{strategy="none"} 0.5',
    ]


@pytest.mark.parametrize(
    ("status", "reason", "counted"),
    [(429, "server_requests", "server_requests"), (400, None, "other"), (200, "engine_error", "engine_error")],
)
def test_refusals_and_broken_streams_are_counted_by_reason(status, reason, counted):
    metrics = Metrics()
    metrics.observe_request("/v1/chat/completions", "none", status, 0.1, reason)
    found = [line for line in read_samples(metrics, "cogitate_refused_total") if not line.endswith(" 0.0")]
    assert found == [f'cogitate_refused_total{{reason="{counted}"}} 1.0']


def test_counters_with_known_labels_are_zero_before_the_first_request():
    families = {family.name: family for family in text_string_to_metric_families(Metrics().exposition().decode())}
    cache = {sample.labels["result"]: sample.value for sample in families["cogitate_cache"].samples}
    assert cache == dict.fromkeys(CACHE_RESULTS, 0.0)
    reasons = [sample for sample in families["cogitate_refused"].samples if sample.name.endswith("_total")]
    assert {sample.labels["reason"] for sample in reasons} == set(REASONS)
    searches = {"cogitate_candidates", "cogitate_agreement", "cogitate_time_to_first_token_seconds"}
    for name in (*searches, "cogitate_request_seconds", "cogitate_queue_seconds"):
        counts = [sample for sample in families[name].samples if sample.name.endswith("_count")]
        assert {sample.value for sample in counts} == {0.0}
        assert len(counts) == len(STRATEGIES) + (0 if name in searches else len(("none", "decisions")))
    for name in ("cogitate_prompt_tokens", "cogitate_generated_tokens", "cogitate_stopped"):
        samples = [sample for sample in families[name].samples if sample.name.endswith("_total")]
        assert {sample.value for sample in samples} == {0.0}
        assert {"self_consistency", "auto"} <= {sample.labels["strategy"] for sample in samples}


def test_lines_that_prometheus_has_no_use_for_are_left_out():
    text = Metrics().exposition().decode()
    assert "cogitate_refused_total" in text and not [
        line for line in text.splitlines() if "cogitate" in line and "_created" in line
    ]


def test_requests_are_zero_for_every_endpoint_and_strategy_before_the_first():
    metrics = Metrics()
    metrics.create_request_series([*list_paths(), "other"])
    zeros = read_samples(metrics, "cogitate_requests_total")
    assert all(line.endswith(" 0.0") for line in zeros) and list_paths() > STRATEGY_ENDPOINTS
    for endpoint in ("/v1/responses", "/v1/messages"):
        assert f'cogitate_requests_total{{endpoint="{endpoint}",status="5xx",strategy="auto"}} 0.0' in zeros
    assert 'cogitate_requests_total{endpoint="other",status="4xx",strategy="none"} 0.0' in zeros


@pytest.mark.parametrize(
    ("usage", "hit", "miss", "kept"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 5}}, 5, 4, 4),
        ({"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": None}, 0, 9, 4),
        ({"input_tokens": 9, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 9}}, 9, 0, 4),
        ({"input_tokens": 9, "output_tokens": 4, "cache_read_input_tokens": 20}, 20, 9, 4),
        ({"prompt_tokens": "9", "completion_tokens": -4, "prompt_tokens_details": {"cached_tokens": 5}}, 0, 0, 0),
        ({"prompt_tokens": 2**40, "completion_tokens": 1.5, "prompt_tokens_details": [1]}, 0, 0, 0),
        ({}, 0, 0, 0),
    ],
)
def test_usage_of_a_plain_answer_is_counted_once_however_its_api_tells_it(usage, hit, miss, kept):
    metrics = Metrics()
    assert metrics.observe_plain("acme", usage) == kept
    text = metrics.exposition().decode()
    assert read_metric(text, 'cogitate_prompt_tokens_total{cache="hit",strategy="none"}') == hit
    assert read_metric(text, 'cogitate_prompt_tokens_total{cache="miss",strategy="none"}') == miss
    assert read_metric(text, 'cogitate_generated_tokens_total{fate="kept",strategy="none"}') == kept
    assert read_metric(text, 'cogitate_tenant_tokens_total{kind="prompt",tenant="acme"}') == hit + miss
    assert read_metric(text, 'cogitate_tenant_tokens_total{kind="generated",tenant="acme"}') == kept
