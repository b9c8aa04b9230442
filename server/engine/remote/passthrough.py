"""Forwards a request without a strategy: the upstream's own response, validated, under this server's model name."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from cogitate.server.engine import Body, Events
from cogitate.server.engine.remote.config import Endpoint
from cogitate.server.engine.remote.errors import UPSTREAM_NOT_FOUND, Redact
from cogitate.server.engine.remote.event_decoder import EventDecoder
from cogitate.server.engine.remote.load_balancer import Affinity, LoadBalancer
from cogitate.server.engine.remote.request_body import Dialect, list_fields, list_required_fields
from cogitate.server.engine.remote.response_limit import max_forwarded_bytes
from cogitate.server.engine.remote.response_validator import ChatValidator, ResponsesValidator, ResponseValidator
from cogitate.server.engine.remote.upstream_response import UpstreamRequest, UpstreamResponse
from cogitate.server.errors import ApiError, UnsupportedParameter, UpstreamError
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.completion import AnyRequest
from cogitate.server.protocol.responses import ResponsesRequest


async def forward(
    request: AnyRequest | ResponsesRequest,
    balancer: LoadBalancer,
    affinity: Affinity,
    dialect: Dialect,
    model_name: str,
    salt: str,
) -> Body | Events:
    """Return the upstream's response, or its stream as server-sent events.

    `model_name` is this server's name for the model. Raises ApiError, also from the stream.
    """
    fields = ask_for_usage(request, list_fields(request, unknown_fields=True))
    body = orjson.dumps({**fields, **dialect.base_fields(salt)})
    limit = max_forwarded_bytes(request, dialect.context)
    required = frozenset() if isinstance(request, ResponsesRequest) else list_required_fields(request, fields)
    sequences = (request.n or 1) * request.width
    call = UpstreamRequest(
        endpoint_of(request), body, balancer.deadline(), bool(request.stream), limit, required, sequences
    )

    async def read(response: UpstreamResponse) -> Body:
        return build_validator(request, model_name).validate_body(await response.read_json())

    try:
        if not call.stream:
            return await balancer.fetch(call, affinity, read)
        response = await balancer.open(call, affinity)
        return ForwardedStream(response, build_validator(request, model_name, response.redactor))
    except UpstreamError as error:
        if call.endpoint == "responses" and error.code == UPSTREAM_NOT_FOUND:
            message = "The upstream has no Responses API: name a strategy, or use /v1/chat/completions."
            raise UnsupportedParameter(message) from None
        raise


def ask_for_usage(request: AnyRequest | ResponsesRequest, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add to a stream's fields that it is to end with its usage: for the bill. ChatValidator hides it again."""
    if isinstance(request, ResponsesRequest) or not request.stream:
        return fields
    return {**fields, "stream_options": {**fields.get("stream_options", {}), "include_usage": True}}


def build_validator(request: AnyRequest | ResponsesRequest, model_name: str, redact: Redact = str) -> ResponseValidator:
    """Build the validator of one response. `redact`: for the upstream's own messages."""
    if isinstance(request, ResponsesRequest):
        return ResponsesValidator(model_name)
    return ChatValidator(request, model_name, redact)


def endpoint_of(request: AnyRequest | ResponsesRequest) -> Endpoint:
    if isinstance(request, ResponsesRequest):
        return "responses"
    return "chat/completions" if isinstance(request, ChatRequest) else "completions"


@dataclass(slots=True)
class ForwardedStream(AsyncIterator[str]):
    """The stream's events. Raises UpstreamFailed where it is cut off, BadRequest for a refusal as its first event.

    It is no generator, so that forgetting it, even before its first event, closes the upstream's response at once.
    """

    response: UpstreamResponse
    validator: ResponseValidator
    _decoder: EventDecoder = field(default_factory=EventDecoder)
    _ready: deque[str] = field(default_factory=deque)
    _has_ended: bool = False

    async def __anext__(self) -> str:
        try:
            while not self._ready and not self._has_ended:
                await self._advance()
        except (ApiError, asyncio.CancelledError) as error:
            self.response.close(error)
            raise
        if self._ready:
            return self._ready.popleft()
        self.response.close()
        raise StopAsyncIteration

    @property
    def usage(self) -> Body | None:
        return self.validator.usage

    async def aclose(self) -> None:
        self.response.close()

    async def _advance(self) -> None:
        chunk = await self.response.read_chunk()
        for payload in self._decoder.feed(chunk) if chunk else self._decoder.end():
            self._add(self.validator.validate_event(payload))
        self._has_ended = self.validator.is_complete or not chunk
        if self._has_ended:
            self._add(self.validator.validate_end())
        if self.validator.is_cut_off:
            self.response.check_interruption()

    def _add(self, event: str | None) -> None:
        if event is not None:
            self._ready.append(event)
