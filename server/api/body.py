"""Bytes -> a checked request: bounded in size while it is read, JSON only, and every error in the envelope."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from server.errors import BadRequest, Cancelled, TooLarge, TooSlow, WrongType, invalid

Model = TypeVar("Model", bound=BaseModel)
MOST_BYTES = 32 * 1024 * 1024
"""Room for a few images as data: URLs."""


Alias = Callable[[object, Mapping[str, str]], object]


async def read(request: Request, model: type[Model], alias: Alias = lambda body, headers: body) -> Model:
    """The request's body as `model`. Raises ApiError."""
    return checked(await received(request), model, lambda body: alias(body, request.headers))


async def received(request: Request) -> bytes:
    """The body as it comes. Raises ApiError: 408, 413, 415."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise WrongType("The body must be sent with Content-Type: application/json.")
    body = bytearray()
    seconds: float = request.app.state.service.settings.receive_seconds
    try:
        async with asyncio.timeout(seconds):
            async for stretch in request.stream():
                body += stretch
                if len(body) > MOST_BYTES:
                    raise TooLarge(f"The body is larger than {MOST_BYTES} bytes.")
    except ClientDisconnect:
        raise Cancelled from None
    except TimeoutError:
        raise TooSlow(f"The body did not come within {seconds:g} s.") from None
    return bytes(body)


def checked(body: bytes, model: type[Model], alias: Callable[[object], object]) -> Model:
    """`alias` is applied to the JSON as it came. Raises BadRequest with the first field that is wrong."""
    try:
        return model.model_validate(alias(orjson.loads(body)))
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}.") from None
    except ValidationError as error:
        raise invalid(error) from None
