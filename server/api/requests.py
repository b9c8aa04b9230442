"""`POST /v1/requests/{id}/cancel` and `POST /v1/requests/{id}/answer`.

`id` is a request's `X-Request-Id`.
"""

from fastapi import APIRouter, Request

from cogitate.server.api.openapi import ERRORS
from cogitate.server.api.request_body import caller
from cogitate.server.errors import NotFound
from cogitate.server.protocol.listing import AnswerNow, Cancellation
from cogitate.server.serving.service import Service

router = APIRouter(responses=ERRORS)


@router.post("/v1/requests/{request_id}/cancel", summary="Cancel a running request and all of its decodes")
async def cancel(request_id: str, request: Request) -> Cancellation:
    service: Service = request.app.state.service
    if not await service.peers.cancel(caller(request)._replace(request_id=request_id)):
        raise NotFound("No running request has this id: it has ended, or the id is wrong.", param="id")
    return Cancellation(id=request_id)


@router.post("/v1/requests/{request_id}/answer", summary="End a running search and answer with its best so far")
async def answer_now(request_id: str, request: Request) -> AnswerNow:
    service: Service = request.app.state.service
    if not await service.peers.answer_now(caller(request)._replace(request_id=request_id)):
        message = "No running search has this id: it has ended, it has no strategy, or the id is wrong."
        raise NotFound(message, param="id")
    return AnswerNow(id=request_id)
