"""POST /v1/chat/completions, and /v1/completions."""

from fastapi import APIRouter, Request, Response

from cogitate.server.api.request_body import checked, received
from cogitate.server.api.respond import answered, caller
from cogitate.server.planning.plan import build_plan
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.compat import translate
from cogitate.server.protocol.completion import CompletionRequest
from cogitate.server.serving.service import Service

router = APIRouter()


@router.post("/v1/chat/completions", response_model=None, summary="Answer a chat, by a strategy or plainly")
async def chat(request: Request) -> Response:
    return await _answered(request, ChatRequest)


@router.post("/v1/completions", response_model=None, summary="Complete a raw prompt, by a strategy or plainly")
async def complete(request: Request) -> Response:
    return await _answered(request, CompletionRequest)


async def _answered(request: Request, kind: type[ChatRequest] | type[CompletionRequest]) -> Response:
    service: Service = request.app.state.service
    service.check_ready()
    body, by = await received(request), caller(request)
    card = service.backend.card
    wire = checked(body, kind, lambda said: translate(said, request.headers, card.name))
    planned = build_plan(wire, card, service.settings, service.verifiers, by)
    return await answered(service, planned, request)
