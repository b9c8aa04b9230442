"""The OpenAPI document: every route has the schema of its answer, and the schemas reject what is wrong."""

import orjson
import pytest
from fastapi.routing import APIRoute

from cogitate.server.app import create_app
from cogitate.server.cache import MemoryCache
from cogitate.server.observability.metrics import Metrics
from cogitate.server.serving.service import Service
from cogitate.server.settings import Settings
from cogitate.strategies.core.scripted import ScriptedEngine, ScriptedProver
from tests.fakes.backend import ScriptedBackend
from tests.fakes.checked_app import ApiSchema

STREAMED = ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages")
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


@pytest.fixture(scope="module")
def app():
    service = Service(
        ScriptedBackend(ScriptedEngine(["x"])), MemoryCache(ttl=60), ScriptedProver(), Settings(), Metrics()
    )
    return create_app(service)


@pytest.fixture(scope="module")
def schema(app):
    return ApiSchema(app.openapi())


def operations(document):
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_route_is_described(app):
    paths = {route.path_format for route in app.routes if isinstance(route, APIRoute) and route.include_in_schema}
    assert set(app.openapi()["paths"]) == paths and len(paths) >= 11


def test_every_route_has_a_schema_of_its_200_answer(app):
    found = operations(app.openapi())
    assert found
    for path, method, operation in found:
        content = operation["responses"]["200"]["content"]
        assert content and all(described["schema"] for described in content.values()), (method, path)


def test_every_route_has_the_schema_of_its_errors_and_no_422(app):
    for path, method, operation in operations(app.openapi()):
        name = "AnthropicError" if path.startswith("/v1/messages") else "ErrorResponse"
        error = {"$ref": f"#/components/schemas/{name}"}
        for status in ("4XX", "5XX"):
            assert operation["responses"][status]["content"] == {"application/json": {"schema": error}}, (method, path)
        assert "422" not in operation["responses"]


@pytest.mark.parametrize("path", STREAMED)
def test_streaming_routes_describe_their_body_and_their_events(app, path):
    operation = app.openapi()["paths"][path]["post"]
    assert operation["requestBody"]["required"] and operation["requestBody"]["content"]["application/json"]["schema"]
    assert set(operation["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}


def test_every_reference_of_the_document_resolves(app):
    document = app.openapi()
    names = set(document["components"]["schemas"])

    def walk(value):
        if isinstance(value, dict):
            if reference := value.get("$ref"):
                assert reference.removeprefix("#/components/schemas/") in names
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(document)
    assert {"Cogitate", "Sample", "DecodeProgress", "TraceResponse"} <= names


def test_fields_that_an_engine_adds_are_valid(schema):
    body = CHAT | {"kv_transfer_params": None, "system_fingerprint": "x"}
    assert check(schema, body) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"object": "chat"},
        {"choices": []},
        {"usage": {"prompt_tokens": -1, "total_tokens": 0}},
        {"cogitate": {"answer": "1"}},
        {"cogitate": {"answer": "1", "stopped": "bored", "candidates": 1, "aborted_tokens": 0, "verifier_tokens": 0}},
    ],
)
def test_a_malformed_answer_violates_its_schema(schema, fields):
    assert check(schema, CHAT | fields)


def test_a_body_without_an_envelope_violates_the_schema_of_errors(schema):
    assert schema.find_problems("/v1/models", "GET", 404, "application/json", b'{"detail":"Not Found"}')


def test_an_event_that_is_no_chunk_violates_the_schema_of_the_stream(schema):
    event = b'data: {"object":"chat.completion.chunk"}\n\ndata: [DONE]\n\n'
    assert schema.find_problems("/v1/chat/completions", "POST", 200, "text/event-stream", event)


def check(schema, body):
    return schema.find_problems("/v1/chat/completions", "POST", 200, "application/json", orjson.dumps(body))
