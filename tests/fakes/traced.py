"""The ASGI application with its spans in memory, without a socket."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cogitate.server.app import create_app
from cogitate.server.cache import MemoryCache
from cogitate.server.config.telemetry import Telemetry
from cogitate.server.engine import Backend
from cogitate.server.observability.metrics import Metrics
from cogitate.server.observability.otel import Tracing
from cogitate.server.serving.service import Service
from cogitate.server.settings import Settings
from cogitate.strategies.core.scripted import ScriptedProver
from tests.fakes.programs import InProcessPrograms

CHAT = {"model": "scripted", "messages": [{"role": "user", "content": "What is 6*7?"}]}
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
CLIENT_SPAN = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE_ID}-{CLIENT_SPAN}-01"


@dataclass(slots=True)
class Traced:
    """A client of the application, and the spans that have ended."""

    client: httpx.AsyncClient
    service: Service
    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    async def ask(self, path: str = "/v1/chat/completions", headers: Any = None, **fields: object) -> httpx.Response:
        return await self.client.post(path, json=CHAT | fields, headers=headers)

    @property
    def spans(self) -> list[ReadableSpan]:
        """All spans, in the order of their starts. Complete once the service is closed."""
        return sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    @property
    def server_span(self) -> ReadableSpan:
        (span,) = [each for each in self.spans if each.kind.name == "SERVER"]
        return span

    @property
    def decodes(self) -> list[ReadableSpan]:
        """The spans of decodes, by their numbers."""
        below = [each for each in self.spans if each.kind.name == "CLIENT"]
        return sorted(below, key=lambda span: (span.attributes or {})["cogitate.index"])


@contextlib.asynccontextmanager
async def traced(backend: Backend, *, content: bool = False, **settings: object) -> AsyncIterator[Traced]:
    """Serve a backend with tracing, and with programs in this process. After the context all spans are in memory."""
    telemetry = Telemetry(exporter_otlp_endpoint="http://127.0.0.1:9")
    service = Service(
        backend, MemoryCache(ttl=60), ScriptedProver(), Settings(**settings), Metrics(), telemetry=telemetry
    )
    app = create_app(service)
    await service.open()
    service.settings, service.runner.programs = Settings(code_exec="bwrap", **settings), InProcessPrograms()
    assert service.tracing is not None
    await service.tracing.close()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        running = Traced(client, service)
        service.tracing = Tracing([running.exporter], lambda result, spans: None, captures_content=content)
        yield running
        await service.close()
