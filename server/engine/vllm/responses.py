"""Answers plain requests to the Responses API with vLLM's own handler, in this process."""

import logging
from collections.abc import AsyncGenerator

from pydantic import ValidationError
from vllm.entrypoints.openai.responses.protocol import ResponsesRequest as VllmResponsesRequest
from vllm.entrypoints.openai.responses.protocol import ResponsesResponse, StreamingResponsesResponse
from vllm.entrypoints.serve.engine.protocol import ErrorResponse

from cogitate.server.engine import Body, Events
from cogitate.server.engine.vllm.errors import LOST_REQUEST, parse_error_response
from cogitate.server.engine.vllm.load import LoadedEngine
from cogitate.server.errors import BadRequest, UpstreamError, format_traceback
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.server.protocol.responses_event import encode_error, encode_event

log = logging.getLogger("cogitate.engine")
PRELIMINARY_EVENTS = ("response.created", "response.in_progress")
VllmEvents = AsyncGenerator[StreamingResponsesResponse, None]


async def create_response(loaded: LoadedEngine, request: ResponsesRequest, model: str, salt: str) -> Body | Events:
    """Return the response object, or its events.

    Raises ApiError, or whatever vLLM raises before the response has begun.
    """
    _check_tool_parser(loaded, request)
    body = {**request.to_upstream(), "model": model, "cache_salt": salt}
    vllm_request = VllmResponsesRequest.model_validate(body)
    response = await loaded.state.openai_serving_responses.create_responses(vllm_request)
    if isinstance(response, ErrorResponse):
        raise parse_error_response(response)
    if isinstance(response, ResponsesResponse):
        return _to_body(response)
    return _stream(response, await _read_start(response))


def _check_tool_parser(loaded: LoadedEngine, request: ResponsesRequest) -> None:
    """Raise BadRequest for tools without a parser, as vLLM's chat API does: its Responses API ignores such tools."""
    serving = loaded.state.openai_serving_responses
    has_parser = serving.use_harmony or (serving.parser is not None and serving.parser.tool_parser_cls is not None)
    if request.tools and request.tool_choice != "none" and not has_parser:
        raise BadRequest(
            "Tools need a model whose calls this server can read: it has no tool_call_parser.", param="tools"
        )


async def _read_start(events: VllmEvents) -> list[bytes]:
    """Read up to the first event with content: vLLM refuses a request after the preliminary events.

    Closes the events where that fails or is cancelled.
    """
    start, has_begun = list[bytes](), False
    try:
        async for event in events:
            start.append(_encode(event, len(start)))
            has_begun = event.type not in PRELIMINARY_EVENTS
            if has_begun:
                break
    except ValidationError as error:
        # The request was valid: vLLM's error event is not among the types of its own event union.
        raise UpstreamError(LOST_REQUEST) from error
    finally:
        if not has_begun:
            await events.aclose()
    return start


async def _stream(events: VllmEvents, start: list[bytes]) -> Events:
    number = 0
    try:
        for frame in start:
            number += 1
            yield frame.decode()
        async for event in events:
            number += 1
            yield _encode(event, number - 1).decode()
    except Exception as error:  # noqa: BLE001 after the first byte a failure can only be an event
        log.error("the engine lost a request: %s", format_traceback(error))
        yield encode_error(UpstreamError(LOST_REQUEST), number).decode()
    finally:
        await events.aclose()  # the client may have left: `async for` does not close what it iterates over


def _encode(event: StreamingResponsesResponse, number: int) -> bytes:
    fields = _to_body(event)
    if "response" in fields:
        fields["response"]["store"] = False
    return encode_event(fields.pop("type"), fields.pop("sequence_number", number), **fields)


def _to_body(response: ResponsesResponse | StreamingResponsesResponse) -> Body:
    return dict(response.model_dump(mode="json", by_alias=True))
