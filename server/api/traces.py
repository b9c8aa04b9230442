"""`GET /v1/traces`, `GET /v1/traces/{id}` and its events. `id` is a request's `X-Request-Id`, or an answer's id."""

from collections.abc import AsyncGenerator
from typing import Any, TypeVar, get_args

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cogitate.server.api.openapi import ERRORS
from cogitate.server.api.request_body import caller
from cogitate.server.api.sse import DONE, KEEP_ALIVE, KEEP_ALIVE_SECONDS, encode_event
from cogitate.server.api.streaming import EventStream
from cogitate.server.errors import BadRequest, NotFound
from cogitate.server.protocol.json import dumps
from cogitate.server.protocol.trace import TraceEvent, TraceList, TraceResponse
from cogitate.server.protocol.validation import to_bad_request
from cogitate.server.serving.service import Service
from cogitate.server.serving.trace_feed import TraceFeed, TraceLost

router = APIRouter(responses=ERRORS)
MAX_EVENT_DIGITS = 12
Query = TypeVar("Query", bound=BaseModel)


class ListQuery(BaseModel):
    """The query of the list."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    limit: int = Field(default=50, ge=1, le=100)
    """The most searches to list."""


class TraceQuery(BaseModel):
    """The query of one trace."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    text: bool = True
    """With the texts that were decoded."""


def list_parameters(query: type[BaseModel]) -> list[dict[str, Any]]:
    """Describe a query in OpenAPI's terms."""
    properties = query.model_json_schema()["properties"]
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]


EVENT_SCHEMAS = [{"$ref": f"#/components/schemas/{kind.__name__}"} for kind in get_args(TraceEvent)]
EVENTS = {
    "description": "Server-sent events, with their numbers as ids, up to `[DONE]`",
    "content": {
        "text/event-stream": {"schema": {"anyOf": [*EVENT_SCHEMAS, {"$ref": "#/components/schemas/ErrorResponse"}]}}
    },
}
LAST_EVENT = {"name": "Last-Event-ID", "in": "header", "schema": {"type": "integer", "minimum": 0}}


@router.get(
    "/v1/traces",
    response_model=None,
    responses={200: {"model": TraceList}},
    openapi_extra={"parameters": list_parameters(ListQuery)},
    summary="List the searches of the last ten minutes, the newest first",
)
async def list_traces(request: Request) -> Response:
    limit = _parse(ListQuery, request).limit
    service: Service = request.app.state.service
    summaries, has_more = await service.traces.list_recent(caller(request).tenant, limit)
    content = b'{"object":"list","data":[%b],"has_more":%b}' % (b",".join(summaries), dumps(has_more))
    return Response(content, media_type="application/json")


@router.get(
    "/v1/traces/{request_id}",
    response_model=None,
    responses={200: {"model": TraceResponse}},
    openapi_extra={"parameters": list_parameters(TraceQuery)},
    summary="Get the trace of a request, up to ten minutes after the request",
)
async def trace(request_id: str, request: Request) -> Response:
    query = _parse(TraceQuery, request)
    service: Service = request.app.state.service
    content = await service.traces.fetch(caller(request)._replace(request_id=request_id), text=query.text)
    if content is None:
        raise _not_found()
    return Response(content, media_type="application/json")


@router.get(
    "/v1/traces/{request_id}/events",
    response_model=None,
    response_class=StreamingResponse,
    responses={200: EVENTS},
    openapi_extra={"parameters": [*list_parameters(TraceQuery), LAST_EVENT]},
    summary="Follow a search: what happened so far, then what happens",
)
async def follow_trace(request_id: str, request: Request) -> Response:
    query, start = _parse(TraceQuery, request), _parse_last_event(request)
    service: Service = request.app.state.service
    feed = TraceFeed(service.traces, caller(request)._replace(request_id=request_id), text=query.text)
    if not await feed.exists():
        raise _not_found()
    return EventStream(_encode(feed, start))


async def _encode(feed: TraceFeed, start: int) -> AsyncGenerator[bytes]:
    """Yield the events from number `start` on, comments while there are none, and `[DONE]` at the search's end."""
    events = feed.follow(start, KEEP_ALIVE_SECONDS)
    try:
        async for numbered in events:
            yield KEEP_ALIVE if numbered is None else b"id: %d\n" % numbered[0] + encode_event(numbered[1])
    except TraceLost as error:
        yield encode_event(error.body)
        return
    finally:
        await events.aclose()
    yield DONE


def _parse(query: type[Query], request: Request) -> Query:
    try:
        return query.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise to_bad_request(error) from None


def _parse_last_event(request: Request) -> int:
    """Return the number of the first event to send: the one after the last that the client has seen."""
    seen = request.headers.get("last-event-id", "")
    if not seen:
        return 0
    if not (seen.isascii() and seen.isdecimal() and len(seen) <= MAX_EVENT_DIGITS):
        raise BadRequest("Last-Event-ID must be the id of an event: a whole number.", param="Last-Event-ID")
    return int(seen) + 1


def _not_found() -> NotFound:
    return NotFound("No trace has this id: it is wrong, or the trace has expired after ten minutes.", param="id")
