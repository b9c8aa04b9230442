"""Prints the spans of some requests as trees, in Markdown: python -m tests.bench.span_tree

`cogitate serve` with the demo model sends its spans, and vLLM's, to a receiver in this process.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence

import httpx

from cogitate.server.observability import semconv
from tests.bench.processes import run_demo_server
from tests.fakes.otlp_receiver import OtlpReceiver, ReceivedSpan, otlp_receiver

REQUESTS: dict[str, dict[str, object]] = {
    "A plain request": {},
    "A vote of four": {"strategy": {"name": "self_consistency", "n": 4, "concurrency": 4}},
    "Best of two, chosen by a judge": {"strategy": {"name": "best_of_n", "n": 2, "verifier": "judge"}},
    "A beam search": {"strategy": {"name": "beam_search", "n": 2, "width": 2, "max_steps": 2, "verifier": "judge"}},
}
CHAT = {"messages": [{"role": "user", "content": "What is 13 + 29?"}], "max_tokens": 48, "seed": 1}
SHOWN = (
    semconv.STRATEGY,
    semconv.STOPPED,
    semconv.ROLE,
    semconv.INDEX,
    semconv.PARENT,
    semconv.INPUT_TOKENS,
    semconv.OUTPUT_TOKENS,
    semconv.FINISH_REASONS,
    semconv.ABORTED,
    semconv.CHOSEN,
    semconv.TOTAL_OUTPUT_TOKENS,
)
SETTLE_SECONDS = 3.0
INTRODUCTION = """\
# Spans

A trace of each kind, as a collector receives it from `cogitate serve` on the CPU build: the client's span is above, in
its own service; `llm_request` is vLLM's own. Times are from the request's start. The machine does other work too: they
show an order, not a speed.

```
python -m tests.bench.span_tree
```
"""


def render(spans: Sequence[ReceivedSpan], parent: str) -> Iterator[str]:
    """Yield the lines of the spans below `parent`, with their events."""
    below = sorted((span for span in spans if span.parent == parent), key=lambda span: span.start)
    start = min((span.start for span in spans), default=0)
    for at, span in enumerate(below):
        is_last = at == len(below) - 1
        yield f"{'└── ' if is_last else '├── '}{describe(span, start)}"
        indent = "    " if is_last else "│   "
        for name, attributes in span.events:
            yield f"{indent}  · {name} {' '.join(f'{key}={shorten(value)}' for key, value in attributes.items())}"
        yield from (indent + line for line in render(spans, span.id))


def describe(span: ReceivedSpan, start: int) -> str:
    """Return the line of a span: its name, its time and some attributes, without their namespaces."""
    kind = {2: "SERVER", 3: "CLIENT"}.get(span.kind, "")
    shown = [f"{name.rpartition('.')[2]}={shorten(span.attributes[name])}" for name in SHOWN if name in span.attributes]
    seconds = f"{(span.start - start) / 1e9:.2f} to {(span.end - start) / 1e9:.2f} s"
    return "  ".join([span.name, kind, seconds, " ".join(shown)]).rstrip()


def shorten(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value).replace(" ", "")


def ask(url: str, model: str, fields: dict[str, object]) -> tuple[str, str]:
    """Send a request under a client's span. Returns the ids of the trace and of that span."""
    trace, sender = os.urandom(16).hex(), os.urandom(8).hex()
    headers = {"traceparent": f"00-{trace}-{sender}-01"}
    body = {"model": model, **CHAT, **fields}
    httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=300).raise_for_status()
    return trace, sender


def print_trees(url: str, receiver: OtlpReceiver) -> None:
    model = httpx.get(f"{url}/v1/models", timeout=60).json()["data"][0]["id"]
    sent = {title: ask(url, model, fields) for title, fields in REQUESTS.items()}
    time.sleep(SETTLE_SECONDS)
    sys.stdout.write(INTRODUCTION)
    for title, (trace, sender) in sent.items():
        lines = "\n".join(render(receiver.find_trace(trace), sender))
        sys.stdout.write(f"\n## {title}\n\n```text\n{lines}\n```\n")


def main() -> None:
    with otlp_receiver() as receiver:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        with run_demo_server(environment=environment) as server:
            print_trees(server.url, receiver)


if __name__ == "__main__":
    main()
