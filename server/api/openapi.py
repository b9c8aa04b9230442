"""The API's own description: the bodies that the routes read by themselves, and the envelope of every error."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.completion import CompletionRequest
from cogitate.server.protocol.responses import ResponsesRequest

BODIES: dict[str, type[BaseModel]] = {
    "/v1/chat/completions": ChatRequest,
    "/v1/completions": CompletionRequest,
    "/v1/responses": ResponsesRequest,
}
REF = "#/components/schemas/{model}"
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "integer", "null"]},
            },
        }
    },
}
FAILED = {
    "description": "OpenAI's envelope",
    "content": {"application/json": {"schema": {"$ref": REF.format(model="Error")}}},
}


def described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document."""
    document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    modes: list[tuple[type[BaseModel], Any]] = [(model, "validation") for model in BODIES.values()]
    names, schemas = models_json_schema(modes, ref_template=REF)
    components = document.setdefault("components", {}).setdefault("schemas", {})
    components |= schemas.get("$defs", {}) | {"Error": ERROR}
    for unused in ("HTTPValidationError", "ValidationError"):
        components.pop(unused, None)
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"] |= {"4XX": FAILED, "5XX": FAILED}
    for path, model in BODIES.items():
        schema = names[model, "validation"]
        content = {"application/json": {"schema": schema}}
        document["paths"][path]["post"]["requestBody"] = {"required": True, "content": content}
    return document


def describe(app: FastAPI) -> None:
    """Has the application describe itself so, once and on demand."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = described(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
