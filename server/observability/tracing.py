"""Opens the tracing that the environment asks for. OpenTelemetry is imported only then."""

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cogitate.server.config.telemetry import Telemetry
from cogitate.server.observability.metrics import Metrics

if TYPE_CHECKING:
    from cogitate.server.observability.otel import Tracing

log = logging.getLogger("cogitate.tracing")
EXPORTER_LOGGER = "opentelemetry.exporter"
NOT_INSTALLED = "OpenTelemetry's packages are not installed: run pip install '.[otel]' in Cogitate's folder"


async def open_tracing(telemetry: Telemetry, metrics: Metrics, provider: str) -> "Tracing | None":
    """Return what traces requests; None where the environment asks for none, or where it cannot be had.

    The reason is one line in the log: a server without its traces still answers. `provider`: the name of what answers.
    """
    if not telemetry.is_on:
        return None
    try:
        return await asyncio.to_thread(build_tracing, telemetry, metrics, provider)
    except ImportError as error:
        log.warning("no traces are sent: %s (%s)", NOT_INSTALLED, error)
    except ValueError as error:
        log.warning("no traces are sent: %s", error)
    return None


def build_tracing(telemetry: Telemetry, metrics: Metrics, provider: str) -> "Tracing":
    """Raises ImportError without the packages, and ValueError for a setting that cannot be honoured."""
    from cogitate.server.observability.otel import Tracing

    def count(result: str, spans: int) -> None:
        metrics.families.spans.labels(result).inc(spans)

    exporters = build_exporters(telemetry)
    # The SDK would write a line for each attempt; a change from delivered to not delivered is one line of ours.
    logging.getLogger(EXPORTER_LOGGER).setLevel(logging.CRITICAL)
    log.info("traces are sent to %s", telemetry.endpoint)
    return Tracing(exporters, count, provider=provider, captures_content=telemetry.captures_content)


def build_exporters(telemetry: Telemetry) -> Sequence[Any]:
    """Build the exporters that OTEL_TRACES_EXPORTER names. Raises ValueError for one that is not known."""
    return [build_exporter(name, telemetry) for name in telemetry.exporters or ("otlp",)]


def build_exporter(name: str, telemetry: Telemetry) -> Any:  # noqa: ANN401 OpenTelemetry's types are not imported here
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter()
    if name != "otlp":
        raise ValueError(f"OTEL_TRACES_EXPORTER={name[:40]} is none of otlp, console, none")
    if telemetry.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter

        return GrpcExporter(telemetry.endpoint, insecure=urlsplit(telemetry.endpoint).scheme != "https")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

    return HttpExporter(telemetry.endpoint)
