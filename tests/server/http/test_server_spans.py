"""One server span a request, with the parent of its W3C headers."""

import asyncio

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from starlette.responses import Response

from cogitate.server.api.pass_on import PassOn
from cogitate.server.errors import UpstreamError
from cogitate.server.http.server_spans import ServerSpans
from cogitate.server.observability import semconv
from cogitate.server.observability.otel import Tracing
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.backend import ScriptedBackend
from tests.fakes.traced import CLIENT_SPAN, TRACE_ID, TRACEPARENT, traced
from tests.fakes.upstream import FakeUpstream
from tests.server.engine.remote.fakes import remote_backend


async def test_plain_request_has_a_server_span_under_the_clients():
    async with traced(ScriptedBackend(ScriptedEngine(["forty-two"]))) as server:
        headers = {"traceparent": TRACEPARENT, "tracestate": "vendor=1,other=2", "x-request-id": "mine"}
        assert (await server.ask(headers=headers)).status_code == 200
    span, attributes = server.server_span, server.server_span.attributes
    assert span.name == "chat scripted" and span.kind is SpanKind.SERVER and span.status.status_code is StatusCode.UNSET
    assert f"{span.context.trace_id:032x}" == TRACE_ID and f"{span.parent.span_id:016x}" == CLIENT_SPAN
    assert span.parent.is_remote and span.context.trace_state.to_header() == "vendor=1,other=2"
    assert span.start_time < span.end_time
    assert attributes["http.response.status_code"] == 200 and attributes["http.route"] == "/v1/chat/completions"
    assert attributes["gen_ai.operation.name"] == "chat" and attributes["gen_ai.request.model"] == "scripted"
    assert attributes["cogitate.request_id"] == "mine" and attributes["cogitate.strategy"] == "none"
    assert attributes["gen_ai.usage.output_tokens"] > 0 and attributes["gen_ai.response.id"].startswith("chatcmpl-")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("traceparent", "00-nonsense")],
        [("traceparent", f"00-{'0' * 32}-{CLIENT_SPAN}-01")],
        [("traceparent", f"ff-{TRACE_ID}-{CLIENT_SPAN}-01")],
        [("traceparent", TRACEPARENT), ("traceparent", TRACEPARENT)],
        [("tracestate", "vendor=1")],
    ],
)
async def test_request_without_a_valid_parent_begins_a_trace_of_its_own(headers):
    async with traced(ScriptedBackend(ScriptedEngine(["forty-two"]))) as server:
        await server.ask(headers=headers)
        await server.ask(headers=headers)
    traces = {f"{span.context.trace_id:032x}" for span in server.spans}
    assert len(traces) == 2 and TRACE_ID not in traces and all(span.parent is None for span in server.spans)


async def test_trace_that_the_client_does_not_sample_has_no_spans_and_goes_on_unsampled():
    async with remote_backend() as (fake, backend), traced(backend) as server:
        await server.ask(headers={"traceparent": TRACEPARENT[:-2] + "00"}, model="fake")
    assert server.spans == []
    (sent,) = find_parents(fake)
    assert sent.startswith(f"00-{TRACE_ID}-") and sent.endswith("-00")


async def test_upstream_gets_the_server_span_of_a_plain_request_as_its_parent():
    async with remote_backend() as (fake, backend), traced(backend) as server:
        await server.ask(headers={"traceparent": TRACEPARENT, "tracestate": "vendor=1"}, model="fake")
    assert find_parents(fake) == [f"00-{TRACE_ID}-{server.server_span.context.span_id:016x}-01"]
    assert fake.requests[-1][2][b"tracestate"] == b"vendor=1"


def find_parents(fake: FakeUpstream) -> list[str]:
    """The `traceparent` of each completion that an upstream was asked for."""
    asked = [headers for path, _, headers in fake.requests if "completions" in path]
    return [headers[b"traceparent"].decode() for headers in asked if b"traceparent" in headers]


class Broken(ScriptedBackend):
    async def answer(self, request, salt=""):
        raise ValueError("a secret")


@pytest.mark.parametrize(
    ("path", "body", "status", "is_error", "error_type"),
    [
        ("/v1/chat/completions", {"temperature": 9}, 400, False, None),
        ("/v1/chat/completions", {}, 500, True, "500"),
        ("/v1/nothing", {}, 404, False, None),
    ],
)
async def test_failures_of_the_server_are_errors_and_refusals_are_not(path, body, status, is_error, error_type):
    async with traced(Broken(ScriptedEngine(["x"]))) as server:
        assert (await server.ask(path, **body)).status_code == status
    span = server.server_span
    assert (span.status.status_code is StatusCode.ERROR) is is_error and "secret" not in (span.status.description or "")
    assert span.attributes.get(semconv.ERROR_TYPE) == error_type
    assert span.attributes["http.response.status_code"] == status


@pytest.mark.parametrize(
    ("body", "name"),
    [(b'{"model": "mine", "stream": true}', "chat mine"), (b"[]", "chat"), (b"{", "chat"), (b'{"model": 3}', "chat")],
)
async def test_request_that_vllms_own_route_answers_has_a_span_above_vllms(body, name):
    """As in the plugin: nothing here parses it."""
    exporter, seen = InMemorySpanExporter(), []

    async def vllms(scope, receive, send):
        assert (await receive())["body"] == body
        seen.append(dict(scope["headers"])[b"traceparent"].decode())
        await Response("{}")(scope, receive, send)

    tracing = Tracing([exporter], lambda result, spans: None)
    app = ServerSpans(PassOn(vllms, vllms, ()), lambda: tracing)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        headers = {"traceparent": TRACEPARENT}
        assert (await client.post("/v1/chat/completions", content=body, headers=headers)).status_code == 200
    await tracing.close()
    (span,) = exporter.get_finished_spans()
    assert span.name == name and seen == [f"00-{TRACE_ID}-{span.context.span_id:016x}-01"]
    assert span.attributes["cogitate.strategy"] == "none"


async def test_only_requests_that_ask_for_work_are_traced():
    async with traced(ScriptedBackend(ScriptedEngine(["x"]))) as server:
        for path in ("/health", "/metrics", "/v1/models"):
            assert (await server.client.get(path)).status_code == 200
        await server.client.post("/v1/requests/unknown/cancel")
    assert [span.name for span in server.spans] == ["POST /v1/requests/{request_id}/cancel"]


async def test_span_tells_whether_the_answer_was_computed():
    async with traced(ScriptedBackend(ScriptedEngine(["forty-two"]))) as server:
        for _ in range(2):
            await server.ask(seed=1)
        await server.ask()
    assert [span.attributes["cogitate.cache"] for span in server.spans] == ["miss", "hit", "none"]


class Cut(ScriptedBackend):
    """Its streams fail after their first event."""

    async def answer(self, request, salt=""):
        async def events():
            yield 'data: {"choices": []}\n\n'
            await asyncio.sleep(0.05)
            raise UpstreamError("The upstream closed the connection.")

        return events()


async def test_stream_that_fails_after_its_first_byte_is_an_error():
    async with traced(Cut(ScriptedEngine(["x"]))) as server:
        assert "error" in (await server.ask(stream=True)).text
    span = server.server_span
    assert span.status.status_code is StatusCode.ERROR and span.attributes["http.response.status_code"] == 200


async def test_span_is_named_after_the_model_without_its_strategy():
    async with traced(ScriptedBackend(ScriptedEngine(["\\boxed{42}"]))) as server:
        await server.ask(model="scripted@chain_of_thought")
    assert {span.name for span in server.spans} == {"chat scripted"}


async def test_request_that_joins_another_ones_work_links_to_its_span():
    backend = ScriptedBackend(ScriptedEngine(["forty-two"], pace=0.02))
    async with traced(backend) as server, asyncio.TaskGroup() as group:
        for name in ("first", "second"):
            group.create_task(server.ask(strategy="self_consistency", headers={"x-request-id": name}))
    spans = {span.attributes["cogitate.request_id"]: span for span in server.spans if span.kind is SpanKind.SERVER}
    assert [spans[name].attributes["cogitate.cache"] for name in ("first", "second")] == ["miss", "joined"]
    assert spans["first"].links == () and len(server.decodes) == len(backend.engine.calls)
    (link,) = spans["second"].links
    assert link.context.span_id == spans["first"].context.span_id
