"""`POST /v1/responses`."""

from dataclasses import replace
from functools import partial

from fastapi import APIRouter, Request, Response

from cogitate.server.api.openapi import ERRORS
from cogitate.server.api.request_body import caller, parse_body, read_body
from cogitate.server.api.respond import respond
from cogitate.server.api.responses_background import respond_in_background
from cogitate.server.api.responses_choose_encoding import ResponsesEncoding
from cogitate.server.api.responses_previous import continue_response
from cogitate.server.api.stored_responses import store_response
from cogitate.server.planning.cache_key import compute_cache_key
from cogitate.server.planning.plan import Plan
from cogitate.server.planning.request_plan import build_plan
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.response_object import ResponseObject
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.server.protocol.responses_field_names import rename_fields_in_errors
from cogitate.server.serving.service import Service

router = APIRouter(responses=ERRORS)


@router.post(
    "/v1/responses",
    response_model=None,
    responses={200: {"model": ResponseObject}},
    summary="Respond, with a strategy or by the engine alone; wait for the response, or fetch it later",
)
async def create_response(request: Request) -> Response:
    service: Service = request.app.state.service
    service.check_ready()
    sender = caller(request)
    parsed = parse_body(await read_body(request), ResponsesRequest, request.headers, service.list_names)
    if parsed.previous_response_id is not None:
        parsed = await continue_response(service, parsed, sender)
    chat = parsed.to_chat()
    with rename_fields_in_errors():
        plan = build_plan(chat, service.find_card(chat.model), service.settings, service.verifiers, sender)
        if plan.strategy is None:
            plan = _plan_engine_response(plan, parsed, service)
        if parsed.background:
            return await respond_in_background(service, plan, request, parsed)
        store = partial(store_response, service, parsed, sender) if parsed.is_stored else None
        return await respond(service, plan, request, ResponsesEncoding.build(parsed, store), stream=bool(parsed.stream))


def _plan_engine_response(plan: Plan, request: ResponsesRequest, service: Service) -> Plan:
    """Replace the chat request by the original, which the engine's own Responses API answers.

    With a strategy the plan keeps the chat request, so that chats and responses share cached answers. Of the engine's
    own answers only complete ones are cached, in their own format.
    """
    assert isinstance(plan.request, ChatRequest)
    if request.max_output_tokens is None and plan.request.limit:
        request = request.model_copy(update={"max_output_tokens": plan.request.limit})
    is_cacheable = plan.key and not request.stream
    card = service.find_card(request.model)
    key = compute_cache_key(request, None, card, plan.caller.tenant) if is_cacheable else None
    return replace(plan, request=request, key=key)
