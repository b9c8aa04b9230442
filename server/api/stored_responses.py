"""Stored responses: `GET` and `DELETE /v1/responses/{id}`, `POST /v1/responses/{id}/cancel`."""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from cogitate.server.api.openapi import ERRORS
from cogitate.server.api.request_body import caller
from cogitate.server.api.responses_background import follow_response
from cogitate.server.api.streaming import EventStream
from cogitate.server.auth.caller import Caller
from cogitate.server.engine import Body
from cogitate.server.errors import BadRequest
from cogitate.server.protocol.json import OrjsonResponse
from cogitate.server.protocol.response_object import DeletedResponse, ResponseObject
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.server.protocol.validation import to_bad_request
from cogitate.server.serving.service import Service
from cogitate.server.serving.shared_responses import StoredResponse

router = APIRouter(responses=ERRORS)
NOT_STREAMED = "Only a response that was created with background and stream can be streamed again."
EVENTS = {"text/event-stream": {"schema": {"$ref": "#/components/schemas/ResponseStreamEvent"}}}


class RetrieveQuery(BaseModel):
    """The query of a retrieval."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    stream: bool = False
    """Send the events, as they were sent or will be sent to the request that created the response."""
    starting_after: int | None = Field(default=None, ge=0, lt=2**63)
    """Only those after the event with this sequence number."""
    include_obfuscation: bool | None = None
    """Without effect: no event has an obfuscation."""

    @field_validator("starting_after")
    @classmethod
    def _check_starting_after(cls, number: int | None, info: ValidationInfo) -> int | None:
        if number is not None and not info.data.get("stream"):
            raise ValueError("it needs stream to be true")
        return number


QUERY_PARAMETERS: list[dict[str, Any]] = [
    {"name": name, "in": "query", "schema": schema}
    for name, schema in RetrieveQuery.model_json_schema()["properties"].items()
]


@router.get(
    "/v1/responses/{response_id}",
    response_model=None,
    responses={200: {"model": ResponseObject, "content": EVENTS}},
    openapi_extra={"parameters": QUERY_PARAMETERS},
    summary="Get a stored response, up to an hour after it; of a streamed one, the events from a sequence number on",
)
async def retrieve_response(response_id: str, request: Request) -> Response:
    try:
        query = RetrieveQuery.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise to_bad_request(error) from None
    service: Service = request.app.state.service
    name = caller(request).tenant, response_id
    stored = await service.responses.fetch(name)
    if not query.stream:
        return OrjsonResponse(stored.response)
    if not stored.is_streamed:
        raise BadRequest(NOT_STREAMED, param="stream")
    start = 0 if query.starting_after is None else query.starting_after + 1
    return EventStream(follow_response(service.responses, name, start))


@router.post(
    "/v1/responses/{response_id}/cancel",
    response_model=None,
    responses={200: {"model": ResponseObject}},
    summary="Cancel a response in the background and all of its decodes",
)
async def cancel_response(response_id: str, request: Request) -> Response:
    service: Service = request.app.state.service
    return OrjsonResponse(await service.responses.cancel(caller(request), response_id))


@router.delete("/v1/responses/{response_id}", summary="Delete a stored response; one that runs is cancelled")
async def delete_response(response_id: str, request: Request) -> DeletedResponse:
    service: Service = request.app.state.service
    await service.responses.delete((caller(request).tenant, response_id))
    return DeletedResponse(id=response_id)


async def store_response(service: Service, request: ResponsesRequest, caller: Caller, response: Body) -> None:
    """Store a response that has ended, with its input, so that it can be continued."""
    name = caller.tenant, str(response["id"])
    await service.responses.put(name, StoredResponse(response=response, input=request.list_items()))
