"""Completes the OpenAPI document by what FastAPI cannot see: bodies that routes read themselves, and streamed events.

The routes declare their answers, and their routers the errors by `ERRORS`.
"""

from typing import Any, NamedTuple

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from cogitate.server.protocol.anthropic import CountTokensRequest, MessagesRequest
from cogitate.server.protocol.anthropic_error import AnthropicError
from cogitate.server.protocol.anthropic_response import MessageEvent
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.chat_response import ChatStreamEvent
from cogitate.server.protocol.completion import CompletionRequest
from cogitate.server.protocol.completion_response import TextStreamEvent
from cogitate.server.protocol.decisions import DecisionRequest
from cogitate.server.protocol.error import ErrorResponse
from cogitate.server.protocol.response_object import ResponseStreamEvent
from cogitate.server.protocol.responses import ResponsesRequest

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse, "description": "OpenAI's error envelope"} for status in ("4XX", "5XX")
}
"""For the `responses` of a router."""
ANTHROPIC_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": AnthropicError, "description": "Anthropic's error envelope"} for status in ERRORS
}


class Described(NamedTuple):
    """A route that reads its body itself and may answer by server-sent events."""

    request: Any
    event: Any = None
    """The JSON of one `data:` line; None where it has no streams."""


DESCRIBED = {
    "/v1/chat/completions": Described(ChatRequest, ChatStreamEvent),
    "/v1/completions": Described(CompletionRequest, TextStreamEvent),
    "/v1/responses": Described(ResponsesRequest, ResponseStreamEvent),
    "/v1/decisions": Described(DecisionRequest),
    "/v1/messages": Described(MessagesRequest, MessageEvent | AnthropicError),
    "/v1/messages/count_tokens": Described(CountTokensRequest),
}


def build_document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    inputs: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = []
    for path, route in DESCRIBED.items():
        inputs.append((path, "validation", TypeAdapter(route.request)))
        if route.event is not None:
            inputs.append((path, "serialization", TypeAdapter(route.event)))
    schemas, definitions = TypeAdapter.json_schemas(inputs, ref_template="#/components/schemas/{model}")
    document["components"]["schemas"] |= definitions["$defs"]
    for path, route in DESCRIBED.items():
        operation = document["paths"][path]["post"]
        body = {"application/json": {"schema": schemas[path, "validation"]}}
        operation["requestBody"] = {"required": True, "content": body}
        if route.event is not None:
            events = {"schema": schemas[path, "serialization"]}
            operation["responses"]["200"]["content"]["text/event-stream"] = events
    return document


def describe(app: FastAPI) -> None:
    """Make the application build this document, once and on demand."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = build_document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
