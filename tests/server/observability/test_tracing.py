"""Spans on their way to a collector: over real connections, and where it is down, full, or not installed."""

import subprocess
import sys
import time

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, TraceFlags

from cogitate.server.config.telemetry import Telemetry
from cogitate.server.observability.metrics import Metrics
from cogitate.server.observability.otel import CLOSE_SECONDS
from cogitate.server.observability.span_queue import BoundedProcessor
from cogitate.server.observability.tracing import open_tracing
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.collector import collector, find_rotel
from tests.fakes.live_server import eventually, live
from tests.fakes.otlp_receiver import otlp_receiver
from tests.fakes.traced import CLIENT_SPAN, TRACE_ID, TRACEPARENT

pytestmark = pytest.mark.live


SAMPLED = SpanContext(1, 1, False, TraceFlags(TraceFlags.SAMPLED))


def count_spans(metrics: Metrics) -> dict[str, float]:
    return {result: metrics.families.spans.labels(result)._value.get() for result in ("exported", "failed", "dropped")}


def test_collector_receives_what_ended_before_the_shutdown():
    with otlp_receiver() as collector:
        telemetry = Telemetry(exporter_otlp_endpoint=collector.url)
        with live(ScriptedEngine(["forty-two"]), telemetry=telemetry) as server:
            assert server.ask(headers={"traceparent": TRACEPARENT}).status_code == 200
        (span,) = collector.spans
        assert count_spans(server.service.metrics) == {"exported": 1, "failed": 0, "dropped": 0}
    assert (span.trace_id, span.parent, span.name) == (TRACE_ID, CLIENT_SPAN, "chat scripted")
    assert (span.service, span.scope) == ("cogitate", "cogitate")


def test_collector_that_is_down_costs_a_line_and_a_counter_and_no_request(caplog):
    telemetry = Telemetry(exporter_otlp_endpoint="http://127.0.0.1:9")
    with live(ScriptedEngine(["forty-two"]), telemetry=telemetry) as server:
        for _ in range(3):
            assert server.ask().status_code == 200
        start = time.monotonic()
    assert time.monotonic() - start < CLOSE_SECONDS + 5
    eventually(lambda: count_spans(server.service.metrics) == {"exported": 0, "failed": 3, "dropped": 0})
    assert find_warnings(caplog) == ["spans cannot be delivered"]
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


def find_warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The beginnings of our lines."""
    ours = [record for record in caplog.records if record.name == "cogitate.tracing" and record.levelname == "WARNING"]
    return [record.message.partition(":")[0] for record in ours]


class Stuck(SpanExporter):
    """Delivers nothing until it is shut down."""

    def __init__(self) -> None:
        self.is_open = True

    def export(self, spans: list[ReadableSpan]) -> SpanExportResult:
        while self.is_open:
            time.sleep(0.005)
        return SpanExportResult.FAILURE

    def shutdown(self) -> None: ...


def test_full_queue_drops_spans_and_counts_them():
    counted = {"exported": 0, "failed": 0, "dropped": 0}

    def count(result: str, spans: int) -> None:
        counted[result] += spans

    exporter = Stuck()
    queue = BoundedProcessor(exporter, count)
    span = ReadableSpan("a span", context=SAMPLED)
    for _ in range(queue._capacity + 7):
        queue.on_end(span)
    assert counted["dropped"] == 7
    exporter.is_open = False
    queue.shutdown()
    assert counted == {"exported": 0, "failed": queue._capacity, "dropped": 7}


def test_spans_are_delivered_again_after_an_outage(caplog):
    with otlp_receiver() as collector:
        collector.status = 400
        telemetry = Telemetry(exporter_otlp_endpoint=collector.url)
        with live(ScriptedEngine(["forty-two"]), telemetry=telemetry) as server:
            tracing = server.service.tracing
            assert tracing is not None
            server.ask()
            eventually(lambda: tracing._provider.force_flush() and count_spans(server.service.metrics)["failed"] == 1)
            collector.status = 200
            server.ask()
            eventually(lambda: tracing._provider.force_flush() and len(collector.spans) == 1)
            assert count_spans(server.service.metrics) == {"exported": 1, "failed": 1, "dropped": 0}
    assert find_warnings(caplog) == ["spans cannot be delivered", "spans are delivered again"]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"traces_exporter": "zipkin"}, "OTEL_TRACES_EXPORTER=zipkin is none of otlp, console, none"),
        ({"traces_exporter": "otlp", "exporter_otlp_protocol": "http/json"}, "'http/json' is none of"),
    ],
)
async def test_setting_that_cannot_be_honoured_is_one_line_and_the_server_starts(fields, line, caplog):
    assert await open_tracing(Telemetry(**fields), Metrics(), "vllm") is None
    (record,) = [each for each in caplog.records if each.name == "cogitate.tracing"]
    assert line in record.message


PROGRAM = """
import asyncio, sys
{before}
from cogitate.server.config.telemetry import Telemetry
from cogitate.server.launcher import create_app
from cogitate.server.observability.metrics import Metrics
from cogitate.server.observability.tracing import open_tracing
print(asyncio.run(open_tracing(Telemetry(), Metrics(), "vllm")), "opentelemetry.sdk.trace" in sys.modules)
"""


def run_program(before: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM.format(before=before)]
    variables = {"PYTHONPATH": ":".join(sys.path), **environment}
    return subprocess.run(command, env=variables, text=True, capture_output=True, timeout=60, check=True)


def test_nothing_of_opentelemetrys_tracing_is_imported_where_nothing_is_traced():
    """Its metrics are: redis-py imports them wherever they are installed."""
    assert run_program().stdout == "None False\n"


def test_missing_packages_are_one_line_with_the_remedy():
    done = run_program(
        'sys.modules["opentelemetry.sdk.trace"] = None', OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9"
    )
    assert done.stdout.startswith("None ")
    assert len(done.stderr.splitlines()) == 1 and "pip install '.[otel]'" in done.stderr


@pytest.mark.skipif(find_rotel() is None, reason="the collector rotel is not installed (PyPI: rotel)")
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_spans_of_a_search_go_through_a_real_collector(protocol, tmp_path):
    with otlp_receiver() as receiver, collector(receiver.url, tmp_path) as urls:
        url = urls[protocol != "grpc"]
        telemetry = Telemetry(exporter_otlp_endpoint=url, exporter_otlp_protocol=protocol)
        with live(ScriptedEngine(["it is \\boxed{42}"]), telemetry=telemetry) as server:
            strategy = {"name": "self_consistency", "n": 3, "stop_rule": "none"}
            assert server.ask(strategy=strategy, headers={"traceparent": TRACEPARENT}).status_code == 200
        eventually(lambda: len(receiver.spans) == 4)
    (root,) = [span for span in receiver.spans if span.parent == CLIENT_SPAN]
    assert {span.trace_id for span in receiver.spans} == {TRACE_ID}
    assert [span.parent for span in receiver.spans if span is not root] == [root.id] * 3
    assert {span.attributes["gen_ai.operation.name"] for span in receiver.spans} == {"chat"}
