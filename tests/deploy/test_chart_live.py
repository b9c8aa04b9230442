"""A gateway pod, with the very arguments and probes of the chart: it starts, answers, and ends within its grace."""

import hashlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.bench.processes import run_fake_upstream
from tests.deploy.chart import SECRETS, list_pods, to_set
from tests.fakes.redis_server import PROGRAM, RedisServer

KEY = "a-key-of-a-tenant"
QUESTION = {"model": "qwen", "messages": [{"role": "user", "content": "What is 13 + 29?"}]}
LINGER_SECONDS = 2


def find_free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(closing(socket.socket())) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def write_secrets(folder: Path) -> None:
    """Write what the Secrets of the example have."""
    (folder / "keys").write_text(f"{hashlib.sha256(KEY.encode()).hexdigest()} tenant\n")
    (folder / "upstream-key").write_text("none")
    (folder / "cache-secret").write_text("s" * 32)


@contextmanager
def run_pod(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """Run the container of the example `gateway` over a fake upstream and a Redis. Yields it with its pod template."""
    if PROGRAM is None:
        pytest.skip("there is no redis-server on the PATH (apt-get install redis-server)")
    with ExitStack() as stack:
        values = {
            "upstreams": [f"{stack.enter_context(run_fake_upstream()).url}/v1"],
            "redis.url": stack.enter_context(RedisServer()).url,
            "redis.passwordSecret": "",
            "shutdown.lingerSeconds": LINGER_SECONDS,
            "shutdown.drainSeconds": 5,
            **dict(zip(("port", "metrics.port"), find_free_ports(2), strict=True)),
        }
        (pod,) = list_pods("gateway", *(to_set(path, value) for path, value in values.items()))
        write_secrets(folder)
        words = [word.replace(SECRETS, str(folder)) for word in pod["spec"]["containers"][0]["args"]]
        process = subprocess.Popen([sys.executable, "-m", "cogitate.server", *words])
        stack.callback(process.wait, 60)
        stack.callback(process.terminate)
        yield process, pod


def find_port(pod: dict[str, Any], name: str) -> int:
    (port,) = (each["containerPort"] for each in pod["spec"]["containers"][0]["ports"] if each["name"] == name)
    return int(port)


def ask_probe(pod: dict[str, Any], name: str) -> int:
    """Ask as a kubelet does, without a key. Returns the status; 0 where nothing listens."""
    probe = pod["spec"]["containers"][0][f"{name}Probe"]["httpGet"]
    try:
        return httpx.get(f"http://127.0.0.1:{find_port(pod, probe['port'])}{probe['path']}", timeout=5).status_code
    except httpx.TransportError:
        return 0


def wait_for_probe(pod: dict[str, Any], name: str, status: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while ask_probe(pod, name) != status:
        assert time.monotonic() < end, f"{name}: {ask_probe(pod, name)}"
        time.sleep(0.05)


def test_pod_starts_answers_and_ends_within_its_grace_period(tmp_path: Path) -> None:
    with run_pod(tmp_path) as (process, pod):
        for name in ("startup", "liveness", "readiness"):
            wait_for_probe(pod, name, 200, 60)
        url = f"http://127.0.0.1:{find_port(pod, 'http')}/v1"
        bearer = {"Authorization": f"Bearer {KEY}"}
        assert httpx.get(f"{url}/models").status_code == 401
        assert [each["id"] for each in httpx.get(f"{url}/models", headers=bearer).json()["data"]][0] == "qwen"
        metrics = httpx.get(f"http://127.0.0.1:{find_port(pod, 'metrics')}/metrics", timeout=10)
        assert metrics.status_code == 200 and "\ncogitate_engine_waiting 0.0" in metrics.text

        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        wait_for_probe(pod, "readiness", 503, LINGER_SECONDS)
        late = httpx.post(f"{url}/chat/completions", json=QUESTION, headers=bearer, timeout=10)
        assert late.status_code == 200, "a request on its way to a pod that lingers is answered"
        assert process.wait(60) == 0
        seconds = pod["spec"]["terminationGracePeriodSeconds"] - 5  # without the sleep of preStop
        assert LINGER_SECONDS <= time.monotonic() - began < seconds
