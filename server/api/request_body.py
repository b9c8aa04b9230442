"""Bytes -> a checked request: bounded in size while it is read, JSON only, and every error in the envelope."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from cogitate.server.errors import BadRequest, Cancelled, TooLarge, TooSlow, WrongType
from cogitate.server.protocol.validation import to_bad_request
from cogitate.server.settings import Settings

Model = TypeVar("Model", bound=BaseModel)
DEEPEST = 64
"""Levels of JSON within JSON. What stands behind us walks bodies by recursion: grammars, templates, canonical forms."""


async def received(request: Request) -> bytes:
    """The body as it comes. Raises ApiError: 408, 413, 415."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise WrongType("The body must be sent with Content-Type: application/json.")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise WrongType("The body must be sent as it is, without Content-Encoding.")
    settings: Settings = request.app.state.service.settings
    body, most, seconds = bytearray(), settings.max_body_bytes, settings.receive_seconds
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > most:
        raise TooLarge(f"The body is larger than {most} bytes.")
    try:
        async with asyncio.timeout(seconds):
            async for stretch in request.stream():
                body += stretch
                if len(body) > most:
                    raise TooLarge(f"The body is larger than {most} bytes.")
    except ClientDisconnect:
        raise Cancelled from None
    except TimeoutError:
        raise TooSlow(f"The body did not come within {seconds:g} s.") from None
    return bytes(body)


def checked(body: bytes, model: type[Model], alias: Callable[[object], object]) -> Model:
    """`alias` is applied to the JSON as it came. Raises BadRequest with the first field that is wrong."""
    try:
        said = orjson.loads(body)
        if deep(body, said):
            raise BadRequest(f"The body is nested more than {DEEPEST} levels deep.")
        return model.model_validate(alias(said))
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}.") from None
    except ValidationError as error:
        raise to_bad_request(error) from None


def deep(body: bytes, said: object) -> bool:
    """Whether JSON is nested beyond DEEPEST. Few bodies hold so many brackets at all, and only those are walked."""
    if body.count(b"{") + body.count(b"[") <= DEEPEST:
        return False
    level = [said]
    for _ in range(DEEPEST):
        inner = [part.values() if isinstance(part, dict) else part for part in level if isinstance(part, dict | list)]
        level = [part for parts in inner for part in parts]
    return any(isinstance(part, dict | list) for part in level)
