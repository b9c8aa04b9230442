"""An ASGI application that checks each response of ours against the OpenAPI document."""

import functools
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs
import orjson
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import Message, Receive, Scope, Send

from cogitate.server.page.files import PREFIX


@functools.cache
def build_validator(document: bytes, pointer: tuple[str, ...]) -> jsonschema_rs.Validator:
    """A validator of the schema at this place of the document."""
    content = orjson.loads(document)
    schema = functools.reduce(lambda part, key: part[key], pointer, content)
    return jsonschema_rs.validator_for({**schema, "components": content["components"]})


@dataclass(slots=True)
class ApiSchema:
    """The schemas of an OpenAPI document."""

    document: dict[str, Any]
    text: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.text = orjson.dumps(self.document)

    def find_problems(self, path: str | None, method: str, status: int, media_type: str, body: bytes) -> list[str]:
        """What of a response differs from its schema. `path`: the route's; None: no route matches."""
        pointer = self._find_schema(path, method, status, media_type)
        if pointer is None:
            return [f"{method} {path}: no schema for {status} {media_type}"]
        if media_type == "application/json":
            values = [body]
        elif media_type == "text/event-stream":
            values = [line[6:] for event in body.split(b"\n\n")[:-1] for line in event.split(b"\n") if is_data(line)]
        else:
            return []
        validator = build_validator(self.text, pointer)
        errors = [error for value in values for error in validator.iter_errors(orjson.loads(value))]
        return [f"{method} {path} {status}: {error.message}" for error in errors]

    def _find_schema(self, path: str | None, method: str, status: int, media_type: str) -> tuple[str, ...] | None:
        operation = self.document["paths"].get(path, {}).get(method.lower())
        if operation is None:
            envelope = "AnthropicError" if (path or "").startswith("/v1/messages") else "ErrorResponse"
            return ("components", "schemas", envelope) if status >= 400 else None
        responses = operation.get("responses", {})
        key = str(status) if str(status) in responses else f"{status // 100}XX"
        if "schema" not in responses.get(key, {}).get("content", {}).get(media_type, {}):
            return None
        return ("paths", path, method.lower(), "responses", key, "content", media_type, "schema")


def is_data(line: bytes) -> bool:
    """Whether a line of a server-sent event is JSON."""
    return line.startswith(b"data: ") and line != b"data: [DONE]"


SCHEMAS: dict[frozenset[str], ApiSchema] = {}
"""By the routes of the application: it takes half a second to build one, which no server should be stopped for."""


def build_schema(app: FastAPI) -> ApiSchema:
    """Return the schemas of an application, which are those of every application with the same routes."""
    routes = frozenset(f"{route.methods} {route.path}" for route in app.routes if isinstance(route, APIRoute))
    if routes not in SCHEMAS:
        SCHEMAS[routes] = ApiSchema(app.openapi())
    return SCHEMAS[routes]


@dataclass(slots=True)
class CheckedApp:
    """Passes everything on unchanged and collects what is wrong with the responses."""

    app: FastAPI
    problems: list[str] = field(default_factory=list)
    checked: int = 0
    """Number of responses that were checked."""
    schema: ApiSchema = field(init=False)

    def __post_init__(self) -> None:
        self.schema = build_schema(self.app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] == "HEAD":
            return await self.app(scope, receive, send)
        start: dict[str, Any] = {}
        body = bytearray()

        async def record(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.extend(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, record)
        finally:
            if start:
                self._check(scope, start, bytes(body))

    def _check(self, scope: Scope, start: Message, body: bytes) -> None:
        headers = {name.lower(): value for name, value in start["headers"]}
        media_type = headers.get(b"content-type", b"").decode().partition(";")[0]
        if not body or not media_type or scope["path"] in self.outside or scope["path"].startswith(PREFIX):
            return
        self.checked += 1
        schema = self.schema
        path = getattr(scope.get("route"), "path_format", None)
        if path is None and scope["path"] in schema.document["paths"]:
            path = scope["path"]  # a middleware has answered
        try:
            self.problems += schema.find_problems(path, scope["method"], start["status"], media_type, body)
        except orjson.JSONDecodeError as error:
            self.problems.append(f"{scope['method']} {path}: {error}")

    @property
    def outside(self) -> frozenset[str]:
        """Paths of the documentation, which does not describe itself."""
        return frozenset({"/openapi.json", "/", "/docs"})
