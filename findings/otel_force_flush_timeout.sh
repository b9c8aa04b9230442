#!/usr/bin/env bash
# OpenTelemetry's BatchSpanProcessor does not keep the timeout of force_flush.
#
# Packages: opentelemetry-sdk 1.45.2. Seen 2026-11-30, Python 3.11.
#
# Expected: force_flush(timeout_millis=100) returns after about 0.1 s, with False where spans are left: its argument is
#           the time that it may take, and a server that ends calls it with what is left of its drain.
# Seen:     it waits for the exporter, however long an export takes (here 2 s), and returns True. A collector that is
#           slow, or down with retries, therefore holds a server's end for as long as the exporter likes.
#
# Output seen:
#   expected: returns within 0.5 s of a timeout of 0.1 s
#   actual:   returned True after 2.0 s
#
# Exits with 1 if the behaviour changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "opentelemetry-sdk==1.45.2"

"$folder/venv/bin/python" - <<'PYTHON'
import sys
import time

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult


class SlowExporter(SpanExporter):
    def export(self, spans):
        time.sleep(2)
        return SpanExportResult.SUCCESS

    def shutdown(self):
        pass


processor = BatchSpanProcessor(SlowExporter())
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(processor)
provider.get_tracer("example").start_span("work").end()
began = time.monotonic()
result = processor.force_flush(timeout_millis=100)
took = time.monotonic() - began
print("expected: returns within 0.5 s of a timeout of 0.1 s")
print(f"actual:   returned {result} after {took:.1f} s")
sys.exit(0 if result and took > 1.5 else 1)
PYTHON
