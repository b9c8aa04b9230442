"""Requests are counted by endpoint, strategy and class of status."""

from cogitate.server.observability.metrics import Metrics


def counted(metrics: Metrics) -> list[str]:
    names = ("cogitate_requests_total", "cogitate_request_seconds_sum")
    return [line for line in metrics.exposition().decode().splitlines() if line.startswith(names)]


def test_every_request_is_counted_and_timed_once():
    metrics = Metrics()
    metrics.observe_request("/a", "none", 200, 0.5)
    metrics.observe_request("/a", "none", 204, 0.25)
    metrics.observe_request("/b", "none", 404, 1)
    assert sorted(counted(metrics)) == [
        'cogitate_request_seconds_sum{endpoint="/a",strategy="none"} 0.75',
        'cogitate_request_seconds_sum{endpoint="/b",strategy="none"} 1.0',
        'cogitate_requests_total{endpoint="/a",status="2xx",strategy="none"} 2.0',
        'cogitate_requests_total{endpoint="/b",status="4xx",strategy="none"} 1.0',
    ]
