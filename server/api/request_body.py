"""Reads and parses request bodies, bounded in size, time and depth.

The size limit is not starlette's `RequestBodyLimitMiddleware` (of 1.10): it answers in plain text instead of the error
envelope, leaves the connection open for the rest of the body, and replaces an earlier error, such as a 415, by its 413.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import aclosing
from typing import TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from cogitate.server.auth.caller import Caller
from cogitate.server.errors import BadRequest, BodyTooLarge, RequestCancelled, RequestTimeout, UnsupportedMediaType
from cogitate.server.protocol import compat
from cogitate.server.protocol.validation import to_bad_request
from cogitate.server.settings import Settings

Model = TypeVar("Model", bound=BaseModel)
MAX_DEPTH = 64
"""Levels of nested JSON. Grammars, chat templates and canonical forms walk a body by recursion."""


def caller(request: Request) -> Caller:
    """The authenticated caller of a request."""
    state = request.state
    return Caller(state.tenant, state.key, state.request_id, state.limits)


async def read_body(request: Request) -> bytes:
    """Raises ApiError: 408 too slow, 413 too large, 415 not plain JSON, 499 the client has disconnected."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType("The body must be sent with Content-Type: application/json.")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMediaType("The body must be sent uncompressed, without Content-Encoding.")
    settings: Settings = request.app.state.service.settings
    body, max_bytes, seconds = bytearray(), settings.max_body_bytes, settings.receive_seconds
    content_length = request.headers.get("content-length", "0")
    if content_length.isdecimal() and int(content_length) > max_bytes:
        raise BodyTooLarge(f"The body is larger than {max_bytes} bytes.")
    try:
        async with asyncio.timeout(seconds):
            async with aclosing(request.stream()) as chunks:
                async for chunk in chunks:
                    body += chunk
                    if len(body) > max_bytes:
                        raise BodyTooLarge(f"The body is larger than {max_bytes} bytes.")
    except ClientDisconnect:
        raise RequestCancelled from None
    except TimeoutError:
        raise RequestTimeout(f"The body did not arrive within {seconds:g} s.") from None
    return bytes(body)


def parse_body(
    body: bytes, model: type[Model], headers: Mapping[str, str], list_names: Callable[[], Collection[str]]
) -> Model:
    """Decode, translate other servers' fields, and validate. `list_names`: returns the names of the served models.

    A field that is null counts as absent, also one that is not known here: some clients send all that they have.
    Raises BadRequest for the first field that is wrong.
    """
    content = parse_json(body)
    if isinstance(content, dict) and None in content.values():
        content = {name: value for name, value in content.items() if value is not None}
    try:
        if not compat.HEADERS.isdisjoint(headers) or (
            isinstance(content, dict) and not compat.FIELDS.isdisjoint(content)
        ):
            content = compat.translate(content, headers, list_names())
        return model.model_validate(content)
    except ValidationError as error:
        raise to_bad_request(error) from None


def parse_json(body: bytes) -> object:
    """Decode JSON. Raises BadRequest for what is none, or is nested too deep."""
    try:
        content: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}.") from None
    if is_too_deep(body, content):
        raise BadRequest(f"The body is nested more than {MAX_DEPTH} levels deep.")
    return content


def is_too_deep(body: bytes, content: object) -> bool:
    """Whether JSON is nested deeper than MAX_DEPTH. Only a body with so many brackets is walked."""
    if body.count(b"{") + body.count(b"[") <= MAX_DEPTH:
        return False
    level = [content]
    for _ in range(MAX_DEPTH):
        inner = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [item for items in inner for item in items]
    return any(isinstance(item, dict | list) for item in level)
