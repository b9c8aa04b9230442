"""POST /v1/requests/{id}/cancel and GET /v1/traces/{id}: what becomes of a request, by its X-Request-Id."""

from fastapi import APIRouter, Request, Response

from cogitate.server.api.respond import caller
from cogitate.server.engine import Body
from cogitate.server.errors import NotFound
from cogitate.server.serving.service import Service

router = APIRouter()


@router.post("/v1/requests/{request_id}/cancel", summary="End a request that is under way; every decode of it stops")
async def cancel(request_id: str, request: Request) -> Body:
    service: Service = request.app.state.service
    if not await service.others.cancel(caller(request)._replace(request_id=request_id)):
        raise NotFound("No request of this id is under way.", param="id")
    return {"id": request_id, "object": "request", "cancelled": True}


@router.get("/v1/traces/{request_id}", response_model=None, summary="The whole search of a request, for ten minutes")
async def trace(request_id: str, request: Request) -> Response:
    service: Service = request.app.state.service
    by, searches = caller(request)._replace(request_id=request_id), service.searches
    found = await service.others.trace(searches.finder(by)) or searches.cached(by)
    if found is None:
        raise NotFound("There is no trace of this id, or no longer.", param="id")
    return Response(found, media_type="application/json")
