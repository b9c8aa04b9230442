"""A server process: the second listener, lingering, and signals."""

import re
import signal
import threading
import time

import httpx

from tests.resilience.measure import wait_until
from tests.resilience.server_process import Server
from tests.resilience.test_authentication import KEY, KEYS_FILE

METRICS = re.compile(r"metrics on (http://\S+)/metrics")


def test_metrics_port_serves_metrics_and_health_without_a_key_and_nothing_else():
    with Server(keys=KEYS_FILE, flags=("--metrics-port", "0")) as server:
        url = server.wait_for_output(METRICS, 5)
        statuses = {path: httpx.get(url + path).status_code for path in ("/health", "/health/live", "/health/ready")}
        assert set(statuses.values()) == {200}
        assert "cogitate_ready 1.0" in httpx.get(f"{url}/metrics").text
        assert server.get("/metrics").status_code == 401
        key = {"Authorization": f"Bearer {KEY}"}
        for path in ("/v1/models", "/v1/chat/completions", "/", "/docs", "/openapi.json"):
            assert httpx.get(url + path, headers=key).status_code == 404
        assert httpx.get(f"{url}/health", headers={"Host": "evil.example"}).status_code == 421
        counted = 'cogitate_requests_total{endpoint="/metrics",status="2xx",strategy="none"} 0.0'
        assert counted in httpx.get(f"{url}/metrics").text


def test_metrics_port_is_served_until_the_server_has_drained():
    with Server(flags=("--metrics-port", "0", "--drain-seconds", "10")) as server:
        url = server.wait_for_output(METRICS, 5)
        server.set_knobs(pace=0.3)
        asking = threading.Thread(target=server.ask, kwargs={"strategy": "chain_of_thought"})
        asking.start()
        wait_until(lambda: server.counters["running"] == 1)
        server.send_signal(signal.SIGTERM)
        wait_until(lambda: server.get("/health/ready").status_code == 503)
        assert httpx.get(f"{url}/health/ready").status_code == 503
        assert "cogitate_requests_in_flight 1.0" in httpx.get(f"{url}/metrics").text
        asking.join()
        assert server.wait_for_exit(5) == 0


def test_sigterm_lingers_before_it_drains():
    with Server(flags=("--linger-seconds", "1.5")) as server:
        server.send_signal(signal.SIGTERM)
        wait_until(lambda: server.get("/health/ready").status_code == 503, 5)
        began = time.monotonic()
        assert server.ask().status_code == 200 and server.get("/health").status_code == 503
        assert server.wait_for_exit(6) == 0 and time.monotonic() - began > 0.8


def test_ctrl_c_does_not_linger_and_a_second_signal_ends_lingering():
    with Server(flags=("--linger-seconds", "60")) as server:
        server.send_signal(signal.SIGINT)
        assert server.wait_for_exit(4) == 0
    with Server(flags=("--linger-seconds", "60")) as server:
        server.send_signal(signal.SIGTERM)
        wait_until(lambda: server.get("/health/ready").status_code == 503, 5)
        server.send_signal(signal.SIGTERM)
        server.wait_for_exit(4)
