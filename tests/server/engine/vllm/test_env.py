"""Environment variables that the server sets for vLLM."""

import json
import subprocess
import sys

import pytest

from cogitate.server.config.telemetry import Telemetry
from cogitate.server.engine.vllm.env import bind_both_cores, trace_engine


@pytest.mark.parametrize(
    ("cores", "binding"),
    [({1, 0}, "0,1"), ({6, 3}, "3,6"), ({5}, None), ({0, 1, 2}, None), (set(range(64)), None)],
)
def test_both_cores_decode_on_a_machine_with_two_and_vllm_decides_elsewhere(cores, binding):
    assert bind_both_cores(cores).get("VLLM_CPU_OMP_THREADS_BIND") == binding


COLLECTOR = {"exporter_otlp_endpoint": "http://127.0.0.1:4318"}
PROGRAM = """
import json, os
from cogitate.server.config.telemetry import Telemetry
from cogitate.server.engine.vllm.env import trace_engine
argument = dict(trace_engine(Telemetry(), {}))
print(json.dumps([argument, os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), os.environ.get("OTEL_SERVICE_NAME")]))
"""


@pytest.mark.parametrize(
    ("fields", "flags"),
    [
        ({}, {}),
        (COLLECTOR, {"disable_log_stats": True}),
        (COLLECTOR | {"sdk_disabled": "true"}, {}),
        (COLLECTOR | {"exporter_otlp_protocol": "http/json"}, {}),
        ({"traces_exporter": "console"}, {}),
    ],
)
def test_vllm_sends_no_spans_where_it_cannot_or_ours_go_elsewhere(fields, flags):
    assert trace_engine(Telemetry(**fields), flags) == {}


def test_vllm_sends_its_spans_where_ours_are_sent():
    environment = {"PYTHONPATH": ":".join(sys.path), "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    argument = {"otlp_traces_endpoint": "http://127.0.0.1:4318/v1/traces"}
    assert json.loads(done.stdout) == [argument, "http/protobuf", "cogitate"]
