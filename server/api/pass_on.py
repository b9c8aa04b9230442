"""Chooses between vLLM's own route and ours, by the body."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cogitate.server.auth.caller import Caller
from cogitate.server.errors import RequestTimeout
from cogitate.server.http.error_response import build_error_response
from cogitate.server.observability.request_span import CURRENT_SPAN
from cogitate.server.planning.selects_strategy import (
    asks_to_store,
    mark_models,
    parse_marked,
    selects_header,
    selects_strategy,
)
from cogitate.server.serving.service import Service


@dataclass(frozen=True, slots=True)
class PassOn:
    """ASGI application in place of a route of vLLM's. What asks for no strategy goes to that route as it came."""

    plain: ASGIApp
    """Answers what asks for no strategy."""
    ours: ASGIApp
    suffixes: Collection[str]
    """Names of strategies and presets."""
    max_bytes: int | None = None
    """Size from which on a body is not looked at: `plain` refuses it. None: no limit, as in vLLM."""
    seconds: float | None = None
    """Time for the body to arrive; a slower one gets a 408. None: no limit, as in vLLM."""
    others: Collection[str] = ()
    """Names of further models, which are upstreams': what asks for one is ours too."""
    stores: bool = False
    """Whether responses that are to be stored are ours too: for the Responses API."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self.seconds):
                messages, size = await read_body(receive, self.max_bytes)
        except TimeoutError:
            error = RequestTimeout(f"The body did not arrive within {self.seconds:g} s.")
            return await build_error_response(scope, error)(scope, receive, send)
        is_read = self.max_bytes is None or size <= self.max_bytes
        is_ours = is_read and (selects_header(scope["headers"]) or self._selects(messages))
        if is_ours or (span := CURRENT_SPAN.get()) is None:
            return await (self.ours if is_ours else self.plain)(scope, replay(messages, receive), send)
        try:
            return await self.plain(scope, replay(messages, receive), send)
        finally:
            if is_read and not span.is_described:
                span.describe_body(join(messages))

    def _selects(self, messages: list[Message]) -> bool:
        content = parse_marked(join(messages), mark_models(self.others))
        if isinstance(content.get("model"), str) and content["model"] in self.others:
            return True
        return selects_strategy(content, self.suffixes) or (self.stores and asks_to_store(content))


def join(messages: list[Message]) -> bytes:
    """Return the body that a request's messages carry."""
    return b"".join(message.get("body", b"") for message in messages)


async def read_body(receive: Receive, max_bytes: int | None = None) -> tuple[list[Message], int]:
    """Receive a request's messages, and return them with the size of the body in bytes.

    Up to the end of the body, to the client's disconnection, or to the first message beyond `max_bytes`.
    """
    messages, size = list[Message](), 0
    while max_bytes is None or size <= max_bytes:
        messages.append(message := await receive())
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            break
    return messages, size


@dataclass(frozen=True, slots=True)
class StoredFirst:
    """ASGI application in place of a route of vLLM's for a stored response: ours where it is stored here."""

    vllm: ASGIApp
    ours: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service: Service = scope["app"].state.service
        stored = await service.responses.look_up((Caller().tenant, scope["path_params"]["response_id"]))
        await (self.ours if stored else self.vllm)(scope, receive, send)


def replay(messages: list[Message], receive: Receive) -> Receive:
    """Return a `receive` that begins with messages that were received already."""
    rest = iter(messages)

    async def receive_again() -> Message:
        message = next(rest, None)
        return await receive() if message is None else message

    return receive_again
