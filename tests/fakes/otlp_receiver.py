"""A receiver of OTLP over HTTP, as a collector is one: it decodes what an exporter posts."""

import contextlib
import gzip
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span as a collector has it. Ids are hex digits; times are Unix times in nanoseconds."""

    trace_id: str
    id: str
    parent: str
    name: str
    kind: int
    start: int
    end: int
    attributes: Mapping[str, Any]
    events: tuple[tuple[str, Mapping[str, Any]], ...]
    links: tuple[str, ...]
    status: int
    """2: an error."""
    message: str
    service: str
    scope: str


@dataclass(slots=True)
class OtlpReceiver:
    """What was received. `status`: of the responses from now on."""

    url: str = ""
    spans: list[ReceivedSpan] = field(default_factory=list)
    requests: int = 0
    status: int = 200

    def receive(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = read_attributes(resource.resource.attributes).get("service.name", "")
            for scope in resource.scope_spans:
                self.spans += [read_span(span, service, scope.scope.name) for span in scope.spans]

    def find_trace(self, trace_id: str) -> list[ReceivedSpan]:
        return [span for span in self.spans if span.trace_id == trace_id]


def read_span(span: Any, service: str, scope: str) -> ReceivedSpan:
    return ReceivedSpan(
        trace_id=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        name=span.name,
        kind=span.kind,
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        attributes=read_attributes(span.attributes),
        events=tuple((event.name, read_attributes(event.attributes)) for event in span.events),
        links=tuple(link.span_id.hex() for link in span.links),
        status=span.status.code,
        message=span.status.message,
        service=service,
        scope=scope,
    )


def read_attributes(attributes: Any) -> dict[str, Any]:
    return {each.key: read_value(each.value) for each in attributes}


def read_value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [read_value(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None


@contextlib.contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    """Receive on a free port until the context ends. `url` is what OTEL_EXPORTER_OTLP_ENDPOINT takes."""
    receiver = OtlpReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.requests += 1
            if receiver.status == 200 and self.path == "/v1/traces":
                receiver.receive(gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body)
            self.send_response(receiver.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main() -> None:
    """Receive until the process is ended, after printing where."""
    with otlp_receiver() as receiver:
        print(f"{receiver.url}/v1/traces", flush=True)
        while True:
            time.sleep(0.5)
            receiver.spans.clear()


if __name__ == "__main__":
    main()
