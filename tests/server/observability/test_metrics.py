"""Requests are counted when somebody looks, or when there are many."""

from cogitate.server.observability.metrics import MOST_TOLD, Metrics


def counted(metrics: Metrics) -> list[str]:
    names = ("cogitate_requests_total", "cogitate_request_seconds_sum", "cogitate_cache_total")
    return [line for line in metrics.exposition().decode().splitlines() if line.startswith(names)]


def test_a_look_sees_every_request():
    metrics = Metrics()
    metrics.answered("/a", "none", 200, 0.5)
    metrics.answered("/a", "none", 204, 0.25, hit=True)
    metrics.answered("/b", "none", 404, 1)
    assert sorted(counted(metrics)) == [
        'cogitate_cache_total{result="hit"} 1.0',
        'cogitate_request_seconds_sum{endpoint="/a",strategy="none"} 0.75',
        'cogitate_request_seconds_sum{endpoint="/b",strategy="none"} 1.0',
        'cogitate_requests_total{endpoint="/a",status="2xx",strategy="none"} 2.0',
        'cogitate_requests_total{endpoint="/b",status="4xx",strategy="none"} 1.0',
    ]
    assert sorted(counted(metrics)) == sorted(counted(metrics)), "counted twice"


def test_nobody_has_to_look():
    metrics = Metrics()
    for _ in range(10 * MOST_TOLD + 1):
        metrics.answered("/a", "none", 200, 0.5)
        assert len(metrics.told) < MOST_TOLD
    assert f'cogitate_requests_total{{endpoint="/a",status="2xx",strategy="none"}} {10 * MOST_TOLD + 1}.0' in counted(
        metrics
    )
