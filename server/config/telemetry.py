"""OpenTelemetry's own environment variables: whether and where spans are sent.

The SDK itself reads further ones: the sampler (OTEL_TRACES_SAMPLER), the resource (OTEL_SERVICE_NAME), batches
(OTEL_BSP_*), headers, certificates and time limits of the exporter (OTEL_EXPORTER_OTLP_*).
"""

from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from pydantic_settings import BaseSettings, SettingsConfigDict

Protocol = Literal["grpc", "http/protobuf"]
PROTOCOLS: Mapping[str, Protocol] = {"grpc": "grpc", "http/protobuf": "http/protobuf"}
GRPC_PORT = 4317
"""What collectors listen on for gRPC. Without a protocol an endpoint of this port is taken for one."""
DEFAULT_ENDPOINT = "http://localhost:4318"
"""That of the specification, where an exporter is named and no endpoint."""
SERVICE_NAME = "cogitate"
"""Of spans, where the operator has named none: of vLLM's in this process too."""
TRACES_PATH = "/v1/traces"
CONTENT_MODES = frozenset({"true", "1", "span_only", "span_and_event"})
"""Values of OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT that ask for content on spans."""


class Telemetry(BaseSettings):
    """The variables OTEL_* of which this server makes something itself. Empty ones count as unset."""

    model_config = SettingsConfigDict(env_prefix="OTEL_", frozen=True, extra="ignore", env_ignore_empty=True)

    sdk_disabled: str = ""
    traces_exporter: str = ""
    exporter_otlp_endpoint: str = ""
    exporter_otlp_traces_endpoint: str = ""
    exporter_otlp_protocol: str = ""
    exporter_otlp_traces_protocol: str = ""
    instrumentation_genai_capture_message_content: str = ""
    service_name: str = ""
    resource_attributes: str = ""

    @classmethod
    def beside_vllm(cls, endpoint: str | None) -> "Telemetry":
        """Read the variables, where vLLM sends spans to its --otlp-traces-endpoint: ours go there too.

        vLLM reads the protocol of traces alone, and defaults to gRPC.
        """
        read = cls()
        if endpoint is None:
            return read
        protocol = read.exporter_otlp_traces_protocol or "grpc"
        own = {"exporter_otlp_traces_endpoint": endpoint, "exporter_otlp_traces_protocol": protocol}
        return read.model_copy(update=own)

    @property
    def is_on(self) -> bool:
        """Whether requests are traced."""
        has_endpoint = bool(self.exporter_otlp_traces_endpoint or self.exporter_otlp_endpoint)
        is_wanted = has_endpoint if not self.exporters else self.exporters != ("none",)
        return is_wanted and self.sdk_disabled.strip().lower() != "true"

    @property
    def exporters(self) -> tuple[str, ...]:
        """The names in OTEL_TRACES_EXPORTER."""
        return tuple(name.strip().lower() for name in self.traces_exporter.split(",") if name.strip())

    @property
    def protocol(self) -> Protocol:
        """How spans are sent. Raises ValueError for a protocol that OpenTelemetry's Python SDK has no exporter of."""
        named = (self.exporter_otlp_traces_protocol or self.exporter_otlp_protocol).strip()
        if named in PROTOCOLS:
            return PROTOCOLS[named]
        if named:
            raise ValueError(f"the OTLP protocol {named[:40]!r} is none of {', '.join(PROTOCOLS)}")
        address = self.exporter_otlp_traces_endpoint or self.exporter_otlp_endpoint
        return "grpc" if urlsplit(address).port == GRPC_PORT else "http/protobuf"

    @property
    def endpoint(self) -> str:
        """Where spans are sent: the complete URL of traces over HTTP. Raises ValueError."""
        if self.exporter_otlp_traces_endpoint:
            return self.exporter_otlp_traces_endpoint
        base = self.exporter_otlp_endpoint or DEFAULT_ENDPOINT
        return base if self.protocol == "grpc" else base.rstrip("/") + TRACES_PATH

    @property
    def names_service(self) -> bool:
        """Whether the operator has named the service that spans are of."""
        return bool(self.service_name) or "service.name=" in self.resource_attributes

    @property
    def captures_content(self) -> bool:
        """Whether prompts and answers are recorded on spans."""
        return self.instrumentation_genai_capture_message_content.strip().lower() in CONTENT_MODES
