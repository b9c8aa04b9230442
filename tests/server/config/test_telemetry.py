"""What OpenTelemetry's variables ask for."""

import pytest

from cogitate.server.config.telemetry import Telemetry


@pytest.mark.parametrize(
    ("fields", "is_on"),
    [
        ({}, False),
        ({"exporter_otlp_endpoint": "http://collector:4318"}, True),
        ({"exporter_otlp_traces_endpoint": "http://collector:4318/v1/traces"}, True),
        ({"traces_exporter": "otlp"}, True),
        ({"traces_exporter": "console"}, True),
        ({"traces_exporter": "none", "exporter_otlp_endpoint": "http://collector:4318"}, False),
        ({"sdk_disabled": "TRUE", "exporter_otlp_endpoint": "http://collector:4318"}, False),
        ({"sdk_disabled": "no", "exporter_otlp_endpoint": "http://collector:4318"}, True),
    ],
)
def test_requests_are_traced_where_an_endpoint_or_an_exporter_is_named(fields, is_on):
    assert Telemetry(**fields).is_on is is_on


@pytest.mark.parametrize(
    ("fields", "protocol", "endpoint"),
    [
        ({"exporter_otlp_endpoint": "http://c:4318/"}, "http/protobuf", "http://c:4318/v1/traces"),
        ({"exporter_otlp_endpoint": "http://c:4317"}, "grpc", "http://c:4317"),
        ({"exporter_otlp_endpoint": "http://c", "exporter_otlp_protocol": "grpc"}, "grpc", "http://c"),
        ({"exporter_otlp_traces_endpoint": "http://c/here"}, "http/protobuf", "http://c/here"),
        (
            {
                "exporter_otlp_endpoint": "http://c:4317",
                "exporter_otlp_protocol": "grpc",
                "exporter_otlp_traces_protocol": "http/protobuf",
            },
            "http/protobuf",
            "http://c:4317/v1/traces",
        ),
        ({"traces_exporter": "otlp"}, "http/protobuf", "http://localhost:4318/v1/traces"),
    ],
)
def test_endpoint_and_protocol_are_those_of_the_specification(fields, protocol, endpoint):
    telemetry = Telemetry(**fields)
    assert (telemetry.protocol, telemetry.endpoint) == (protocol, endpoint)


def test_unknown_protocol_is_refused_by_name():
    with pytest.raises(ValueError, match="'http/json' is none of grpc, http/protobuf"):
        _ = Telemetry(exporter_otlp_endpoint="http://c", exporter_otlp_protocol="http/json").endpoint


@pytest.mark.parametrize(
    ("value", "captures"),
    [("", False), ("false", False), ("no_content", False), ("event_only", False), ("true", True), ("SPAN_ONLY", True)],
)
def test_content_is_recorded_only_where_it_is_asked_for(value, captures):
    assert Telemetry(instrumentation_genai_capture_message_content=value).captures_content is captures


def test_spans_go_where_vllms_flag_sends_vllms_own():
    telemetry = Telemetry.beside_vllm("grpc://c:4317")
    assert (telemetry.is_on, telemetry.protocol, telemetry.endpoint) == (True, "grpc", "grpc://c:4317")
    assert not Telemetry.beside_vllm(None).is_on
