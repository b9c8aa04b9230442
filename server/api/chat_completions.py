"""`POST /v1/chat/completions` and `POST /v1/completions`."""

from fastapi import APIRouter, Request, Response

from cogitate.server.api import sse
from cogitate.server.api.openapi import ERRORS
from cogitate.server.api.request_body import caller, parse_body, read_body
from cogitate.server.api.respond import Encoding, respond
from cogitate.server.planning.request_plan import build_plan
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.chat_response import ChatCompletion
from cogitate.server.protocol.completion import CompletionRequest
from cogitate.server.protocol.completion_response import TextCompletion
from cogitate.server.serving.chat_response import relabel
from cogitate.server.serving.service import Service

router = APIRouter(responses=ERRORS)
ENCODING = Encoding(relabel, sse.stream)


@router.post(
    "/v1/chat/completions",
    response_model=None,
    responses={200: {"model": ChatCompletion}},
    summary="Answer a chat, with a strategy or by the engine alone",
)
async def chat(request: Request) -> Response:
    return await _answer(request, ChatRequest)


@router.post(
    "/v1/completions",
    response_model=None,
    responses={200: {"model": TextCompletion}},
    summary="Complete a raw prompt, with a strategy or by the engine alone",
)
async def complete(request: Request) -> Response:
    return await _answer(request, CompletionRequest)


async def _answer(request: Request, model: type[ChatRequest] | type[CompletionRequest]) -> Response:
    service: Service = request.app.state.service
    service.check_ready()
    parsed = parse_body(await read_body(request), model, request.headers, service.list_names)
    plan = build_plan(parsed, service.find_card(parsed.model), service.settings, service.verifiers, caller(request))
    return await respond(service, plan, request, ENCODING, stream=bool(parsed.stream))
