"""`POST /v1/messages` and `/v1/messages/count_tokens`: Anthropic's Messages API."""

from functools import partial

from fastapi import APIRouter, Request, Response

from cogitate.server.api import messages_stream
from cogitate.server.api.messages_body import render_message
from cogitate.server.api.openapi import ANTHROPIC_ERRORS
from cogitate.server.api.request_body import caller, parse_body, read_body
from cogitate.server.api.respond import Encoding, respond
from cogitate.server.errors import NotFound
from cogitate.server.planning.plan import Plan
from cogitate.server.planning.request_plan import build_plan
from cogitate.server.protocol.anthropic import (
    BetaCountTokensRequest,
    BetaMessagesRequest,
    CountTokensRequest,
    MessagesRequest,
    PromptRequest,
    is_beta,
)
from cogitate.server.protocol.anthropic_response import MessageObject, OriginalTokens, TokenCount
from cogitate.server.protocol.json import OrjsonResponse
from cogitate.server.serving.service import Service

router = APIRouter(responses=ANTHROPIC_ERRORS)


@router.post(
    "/v1/messages",
    response_model=None,
    responses={200: {"model": MessageObject}},
    summary="Answer Anthropic's messages, with a strategy or by the engine alone",
)
async def create_message(request: Request) -> Response:
    service: Service = request.app.state.service
    service.check_ready()
    model = BetaMessagesRequest if is_beta(request.headers) else MessagesRequest
    parsed = parse_body(await read_body(request), model, request.headers, service.list_names)
    encoding = Encoding(partial(render_message, parsed), partial(messages_stream.stream, parsed))
    return await respond(service, _plan(request, service, parsed), request, encoding, stream=parsed.stream)


@router.post(
    "/v1/messages/count_tokens",
    response_model=None,
    responses={200: {"model": TokenCount}},
    summary="Count the tokens of a prompt, as the model's chat template renders it",
)
async def count_tokens(request: Request) -> Response:
    service: Service = request.app.state.service
    service.check_ready()
    model = BetaCountTokensRequest if is_beta(request.headers) else CountTokensRequest
    parsed = parse_body(await read_body(request), model, request.headers, service.list_names)
    tokens = await service.runner.count_tokens(_plan(request, service, parsed))
    if tokens is None:
        raise NotFound(
            "The upstream has no /tokenize, so that this server cannot count tokens before they are decoded."
        )
    original = OriginalTokens(original_input_tokens=tokens) if parsed.context_management else None
    count = TokenCount(input_tokens=tokens, context_management=original)
    return OrjsonResponse(count.model_dump(exclude_none=True))


def _plan(request: Request, service: Service, parsed: PromptRequest) -> Plan:
    chat = parsed.to_chat()
    return build_plan(chat, service.find_card(chat.model), service.settings, service.verifiers, caller(request))
