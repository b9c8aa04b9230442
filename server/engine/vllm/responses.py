"""vLLM's own Responses API, asked in process."""

import logging
from collections.abc import AsyncIterator

from pydantic import ValidationError
from vllm.entrypoints.openai.responses.protocol import ResponsesRequest as VllmResponsesRequest
from vllm.entrypoints.openai.responses.protocol import ResponsesResponse, StreamingResponsesResponse
from vllm.entrypoints.serve.engine.protocol import ErrorResponse

from cogitate.server.engine import Body
from cogitate.server.engine.vllm.errors import refused
from cogitate.server.engine.vllm.load import Loaded
from cogitate.server.errors import BadRequest, Upstream
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.server.protocol.responses_event import failed, frame
from cogitate.server.safe_traceback import whereabouts

log = logging.getLogger("cogitate.engine")
LOST = "The engine lost this request."
BEFORE_ANY_ANSWER = ("response.created", "response.in_progress")
Events = AsyncIterator[StreamingResponsesResponse]


async def respond(loaded: Loaded, request: ResponsesRequest, model: str, salt: str) -> Body | AsyncIterator[str]:
    """Whole, or its stream as events. Raises ApiError, or whatever vLLM raises before there is any answer."""
    _refuse_unread_calls(loaded, request)
    wire = VllmResponsesRequest.model_validate({**request.forwarded(), "model": model, "cache_salt": salt})
    answer = await loaded.state.openai_serving_responses.create_responses(wire)
    if isinstance(answer, ErrorResponse):
        raise refused(answer)
    if isinstance(answer, ResponsesResponse):
        return _told(answer)
    return _rest(answer, await _first(answer))


def _refuse_unread_calls(loaded: Loaded, request: ResponsesRequest) -> None:
    """vLLM's chats refuse tools where no parser reads the calls; its Responses API forgets that they were offered."""
    serving = loaded.state.openai_serving_responses
    reads = serving.use_harmony or (serving.parser is not None and serving.parser.tool_parser_cls is not None)
    if request.tools and request.tool_choice != "none" and not reads:
        raise BadRequest(
            "Tools need a model whose calls this server can read: it has no tool_call_parser.", param="tools"
        )


async def _first(events: Events) -> list[bytes]:
    """All up to the first word of the answer: what the engine refuses it refuses after it has said hello."""
    first: list[bytes] = []
    try:
        async for event in events:
            first.append(_line(event, len(first)))
            if event.type not in BEFORE_ANY_ANSWER:
                break
    except ValidationError as error:
        # The request was valid: it is vLLM's own error event that is not one of its events.
        raise Upstream(LOST) from error
    return first


async def _rest(events: Events, first: list[bytes]) -> AsyncIterator[str]:
    number = 0
    try:
        for line in first:
            number += 1
            yield line.decode()
        async for event in events:
            number += 1
            yield _line(event, number - 1).decode()
    except Exception as error:  # noqa: BLE001 after the first byte a failure can only be an event
        log.error("the engine lost a request: %s", whereabouts(error))
        yield failed(Upstream(LOST), number).decode()


def _line(event: StreamingResponsesResponse, number: int) -> bytes:
    told = _told(event)
    if "response" in told:
        told["response"]["store"] = False
    return frame(told.pop("type"), told.pop("sequence_number", number), **told)


def _told(answer: ResponsesResponse | StreamingResponsesResponse) -> Body:
    return dict(answer.model_dump(mode="json", by_alias=True))
