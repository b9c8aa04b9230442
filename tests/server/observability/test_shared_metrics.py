"""Metrics of several processes are one exposition, which never goes back when one of them is replaced."""

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from cogitate.server.observability.metrics import Metrics

WORKER = """
import sys
from pathlib import Path
from cogitate.server.engine import UpstreamState
from cogitate.server.observability.metrics import Metrics
from cogitate.server.observability.server_state import ServerState
from cogitate.server.observability.shared_metrics import SharedMetrics, forget_worker

folder, number, ends = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "ends"
metrics = Metrics(shared=SharedMetrics(folder, number, 1))
metrics.count_cache("hit")
metrics.observe_queue("best_of_n", 0.5)
upstreams = [UpstreamState("u", in_flight=2, is_ejected=number == 1, ejections=3, retries=0)]
metrics.state.read = lambda: ServerState(in_flight=number, is_ready=number == 1, upstreams=upstreams)
metrics.publish_state()
metrics.publish_state()
if ends:
    forget_worker(folder, number)
print(metrics.shared.exposition().decode())
"""


def run_worker(folder: Path, number: int, *, ends: bool = False) -> str:
    """Run a process that counts one hit; returns the metrics of all. `ends`: its end has been noticed."""
    command = [sys.executable, "-c", WORKER, str(folder), str(number), "ends" if ends else "runs"]
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=60).stdout


def test_counters_add_up_and_go_on_in_the_next_process_of_a_number(tmp_path):
    run_worker(tmp_path, 1)
    run_worker(tmp_path, 2, ends=True)
    text = run_worker(tmp_path, 2)
    assert 'cogitate_cache_total{result="hit"} 3.0' in text
    assert 'cogitate_queue_seconds_bucket{le="0.5",strategy="best_of_n"} 3.0' in text
    assert 'cogitate_queue_seconds_sum{strategy="best_of_n"} 1.5' in text
    assert 'cogitate_upstream_ejections_total{upstream="u"} 9.0' in text


def test_gauges_are_those_of_the_processes_that_run(tmp_path):
    run_worker(tmp_path, 1)
    text = run_worker(tmp_path, 2)
    for line in (
        "cogitate_requests_in_flight 3.0",
        "cogitate_ready 1.0",
        'cogitate_upstream_in_flight{upstream="u"} 4.0',
    ):
        assert line in text
    assert 'cogitate_upstream_ejected{upstream="u"} 1.0' in text
    gone = run_worker(tmp_path, 1, ends=True)
    assert "cogitate_requests_in_flight 2.0" in gone and "cogitate_ready 0.0" in gone


def test_families_and_series_are_those_of_one_process(tmp_path):
    def read(text: str) -> dict[str, tuple[str, str, set[str]]]:
        families = [each for each in text_string_to_metric_families(text) if each.name.startswith("cogitate_")]
        return {
            each.name: (
                each.type,
                each.documentation,
                {f"{one.name}{sorted(one.labels.items())}" for one in each.samples},
            )
            for each in families
            if each.samples and not each.name.startswith("cogitate_upstream_")
        }

    assert read(run_worker(tmp_path, 1)) == read(Metrics().exposition().decode())
