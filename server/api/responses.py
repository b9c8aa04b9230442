"""POST /v1/responses."""

from dataclasses import replace
from functools import partial

from fastapi import APIRouter, Request, Response

from cogitate.server.api import responses_stream
from cogitate.server.api.request_body import checked, received
from cogitate.server.api.respond import Wording, caller, worded
from cogitate.server.engine import Body
from cogitate.server.planning.plan import Plan, compute_cache_key, build_plan
from cogitate.server.protocol.compat import translate
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.server.protocol.responses_field_names import rename_fields_in_errors
from cogitate.server.serving.jobs import Job
from cogitate.server.serving.service import Service

router = APIRouter()


@router.post("/v1/responses", response_model=None, summary="Respond, by a strategy or plainly; nothing is stored")
async def respond(request: Request) -> Response:
    service: Service = request.app.state.service
    service.check_ready()
    card = service.backend.card
    wire = checked(await received(request), ResponsesRequest, lambda said: translate(said, request.headers, card.name))
    chat = wire.to_chat()
    with rename_fields_in_errors():
        planned = build_plan(chat, card, service.settings, service.verifiers, caller(request))
        return await _answered(service, wire, planned, request)


async def _answered(service: Service, wire: ResponsesRequest, asked: Plan, request: Request) -> Response:
    """A strategy answers the chat, so that a chat that was answered before serves here too."""
    planned = asked if asked.strategy else _plainly(asked, wire, service)

    def words(told_by: Plan, job: Job[Body]) -> Wording:
        pieces = (
            partial(responses_stream.stream, wire, told_by, job)
            if planned.strategy
            else partial(responses_stream.relay, job)
        )
        return Wording(lambda: responses_stream.whole(wire, told_by, job), pieces)

    return await worded(service, planned, request, words, stream=bool(wire.stream))


def _plainly(asked: Plan, wire: ResponsesRequest, service: Service) -> Plan:
    """The engine's own Responses API is asked, in its own words. Its whole answers are kept, as they are."""
    assert not isinstance(asked.request, ResponsesRequest)
    if wire.max_output_tokens is None and asked.request.limit:
        wire = wire.model_copy(update={"max_output_tokens": asked.request.limit})
    kept = asked.key and not wire.stream
    key = compute_cache_key(wire, None, service.backend.card, asked.caller.tenant) if kept else None
    return replace(asked, request=wire, key=key)
