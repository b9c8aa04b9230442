"""`POST /v1/decisions`."""

from fastapi import APIRouter, Request, Response

from cogitate.server.api.openapi import ERRORS
from cogitate.server.api.request_body import caller, parse_body, read_body
from cogitate.server.api.respond import Encoding, respond
from cogitate.server.planning.decision_plan import build_decision_plan
from cogitate.server.protocol.decision_response import DecisionResponse
from cogitate.server.protocol.decisions import DecisionRequest
from cogitate.server.protocol.responses_field_names import rename_fields_in_errors
from cogitate.server.serving.decision_response import relabel_decision
from cogitate.server.serving.service import Service

router = APIRouter(responses=ERRORS)


@router.post(
    "/v1/decisions",
    response_model=None,
    responses={200: {"model": DecisionResponse}},
    summary="Answer typed questions about an input with probabilities, averaged over the orders of the options",
)
async def decide(request: Request) -> Response:
    service: Service = request.app.state.service
    service.check_ready()
    parsed = parse_body(await read_body(request), DecisionRequest, request.headers, service.list_names)
    plan = build_decision_plan(parsed, service.find_card(parsed.model), service.settings, caller(request))
    with rename_fields_in_errors():
        return await respond(service, plan, request, Encoding(relabel_decision), stream=False)
