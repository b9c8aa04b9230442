"""The test rig: a server process is started, faulted, observed and ended."""

import httpx

from tests.fakes.upstream import Script
from tests.resilience.background import Probe
from tests.resilience.load import Load, measure
from tests.resilience.measure import read_metric, wait_until
from tests.resilience.server_process import Server

METRICS_REQUESTS = 'cogitate_requests_total{endpoint="/metrics",status="2xx",strategy="none"}'


def test_scripted_server_can_be_requested_observed_and_faulted():
    with Server() as server, Probe(server) as probe:
        assert server.ask(strategy="self_consistency").json()["cogitate"]["answer"] == "42"
        before = server.set_knobs(hang=True)
        with httpx.Client(timeout=0.3) as client:
            try:
                client.post(server.url + "/v1/chat/completions", json={"model": "scripted", "messages": []})
                server.ask(timeout=0.3, strategy="self_consistency", cache="no-store")
            except httpx.ReadTimeout:
                pass
        assert server.counters["started"] > before["started"]
        assert wait_until(lambda: server.in_flight == 0) < 1000
        server.set_knobs(hang=False)
        server.assert_healthy()
        with Load(server, users=2, interval=0.05) as load, measure(load) as span:
            span.run(server, 1, lambda: server.get("/metrics"), again=0.3)
        assert read_metric(server.get("/metrics").text, METRICS_REQUESTS) == len(span.acts)
    assert {each.status for each in span.sent} == {200} and 2 <= len(span.sent) <= 50 and 2 <= len(span.acts) <= 4
    assert span.search <= span.p99 and span.memory > 10 and span.processor > 0
    assert probe.times and probe.failures == 0 and Script().fault == "none"
