"""Forwards a request without a strategy: the upstream's own response, validated, under this server's model name."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from cogitate.server.engine import Body, Events
from cogitate.server.engine.remote.config import Endpoint
from cogitate.server.engine.remote.errors import UPSTREAM_NOT_FOUND, UpstreamFailed, error_from_chunk
from cogitate.server.engine.remote.load_balancer import Affinity, LoadBalancer
from cogitate.server.engine.remote.parse import parse_usage
from cogitate.server.engine.remote.replica import UpstreamRequest, UpstreamResponse
from cogitate.server.engine.remote.request_body import Dialect
from cogitate.server.engine.remote.response_limit import max_forwarded_bytes
from cogitate.server.engine.remote.stream_parser import DONE, EventDecoder
from cogitate.server.engine.remote.validate import as_dict, is_count, parse_json
from cogitate.server.errors import ApiError, UnsupportedParameter, UpstreamError
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.completion import AnyRequest
from cogitate.server.protocol.responses import ResponsesRequest

INCOMPLETE_STREAM = "ended its stream before the response was complete"


class ResponseValidator(Protocol):
    """Validates the response to one request, and renames its model. Both methods raise UpstreamFailed."""

    is_complete: bool
    """The stream's final event has come."""

    def validate_body(self, payload: object) -> Body:
        """Return a response that is not streamed, under this server's model name."""

    def validate_event(self, payload: bytes) -> str | None:
        """Return the event to send in place of the upstream's; None: none."""


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
    body = orjson.dumps({**request.to_upstream(), **dialect.base_fields(salt)})
    limit = max_forwarded_bytes(request, dialect.context)
    call = UpstreamRequest(endpoint_of(request), body, balancer.deadline(), bool(request.stream), limit)
    validator: ResponseValidator
    if isinstance(request, ResponsesRequest):
        validator = ResponsesValidator(model_name)
    else:
        validator = ChatValidator(request, model_name)

    async def read(response: UpstreamResponse) -> Body:
        return validator.validate_body(await response.read_json())

    try:
        if not call.stream:
            return await balancer.fetch(call, affinity, read)
        return ForwardedStream(await balancer.open(call, affinity), validator)
    except UpstreamError as error:
        if call.endpoint == "responses" and error.code == UPSTREAM_NOT_FOUND:
            message = "The upstream has no Responses API: name a strategy, or use /v1/chat/completions."
            raise UnsupportedParameter(message) from None
        raise


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

    async def aclose(self) -> None:
        self.response.close()

    async def _advance(self) -> None:
        chunk = await self.response.read_chunk()
        for payload in self._decoder.feed(chunk):
            if (event := self.validator.validate_event(payload)) is not None:
                self._ready.append(event)
        self._has_ended = self.validator.is_complete or not chunk
        if self._has_ended and not self.validator.is_complete:
            raise UpstreamFailed(INCOMPLETE_STREAM)


@dataclass(slots=True)
class ChatValidator:
    """Validates chat completions and raw completions."""

    request: AnyRequest
    model_name: str
    is_complete: bool = False
    _finished_choices: int = 0

    @property
    def choice_count(self) -> int:
        return (self.request.n or 1) * self.request.width

    def validate_body(self, payload: object) -> Body:
        body = as_dict(payload)
        choices = body.get("choices")
        if body.get("error") or not isinstance(choices, list):
            raise UpstreamFailed("returned an error in place of a response")
        if len(choices) != self.choice_count or not all(isinstance(choice, dict) for choice in choices):
            raise UpstreamFailed("returned another number of choices than requested")
        parse_usage(body.get("usage"), None if self.request.limit is None else self.request.limit * self.choice_count)
        return body | {"model": self.model_name}

    def validate_event(self, payload: bytes) -> str:
        if payload == DONE:
            if self._finished_choices < self.choice_count:
                raise UpstreamFailed(INCOMPLETE_STREAM)
            self.is_complete = True
            return "data: [DONE]\n\n"
        chunk = self._validate_chunk(payload)
        if chunk.get("model") == self.model_name:
            return f"data: {payload.decode()}\n\n"
        return f"data: {orjson.dumps(chunk | {'model': self.model_name}).decode()}\n\n"

    def _validate_chunk(self, payload: bytes) -> Body:
        chunk: Body = as_dict(parse_json(payload))
        if not chunk or chunk.get("error"):
            raise error_from_chunk(chunk.get("error"))
        choices = chunk.get("choices", [])
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise UpstreamFailed("returned a malformed chunk")
        if any(choice.get("index", 0) not in range(self.choice_count) for choice in choices):
            raise UpstreamFailed("returned a choice that was not requested")
        self._finished_choices += sum(choice.get("finish_reason") is not None for choice in choices)
        if max(self._finished_choices, len(choices)) > self.choice_count:
            raise UpstreamFailed("returned more choices than requested")
        parse_usage(chunk.get("usage"), None)
        return chunk


@dataclass(slots=True)
class ResponsesValidator:
    """Validates responses of the Responses API."""

    model_name: str
    is_complete: bool = False

    def validate_body(self, payload: object) -> Body:
        body = as_dict(payload)
        if body.get("error") or body.get("object") != "response" or not isinstance(body.get("output"), list):
            raise UpstreamFailed("returned an error in place of a response")
        check_responses_usage(body.get("usage"))
        return body | {"model": self.model_name}

    def validate_event(self, payload: bytes) -> str | None:
        if payload == DONE:
            return None
        event = as_dict(parse_json(payload))
        kind = event.get("type")
        if not isinstance(kind, str) or not kind.replace("_", "").replace(".", "").isalnum():
            raise UpstreamFailed("returned a malformed event")
        if kind in ("error", "response.failed"):
            raise error_from_chunk(None)
        if isinstance(response := event.get("response"), dict):
            check_responses_usage(response.get("usage"))
            event["response"] = response | {"model": self.model_name}
        self.is_complete = kind in ("response.completed", "response.incomplete")
        return f"event: {kind}\ndata: {orjson.dumps(event).decode()}\n\n"


def check_responses_usage(usage: object) -> None:
    """Raises UpstreamFailed where a count is impossible."""
    counts = as_dict(usage)
    if usage is not None and not (is_count(counts.get("input_tokens")) and is_count(counts.get("output_tokens"))):
        raise UpstreamFailed("returned an invalid usage")
