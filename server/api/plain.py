"""Answers a body that asks for no strategy by vLLM's own handler, within this server's limits and through its cache."""

from collections.abc import AsyncGenerator

from fastapi import Request, Response

from cogitate.server.api import messages_stream, sse
from cogitate.server.api.request_body import caller, parse_json, read_body
from cogitate.server.api.respond import Encoding, respond
from cogitate.server.engine import Body
from cogitate.server.errors import BadRequest
from cogitate.server.planning.plain_plan import build_body_plan
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.plain_body import PlainBody
from cogitate.server.serving.job import Job, JobReader
from cogitate.server.serving.service import Service

OWN_HEADERS = frozenset(
    {b"authorization", b"connection", b"content-length", b"content-type", b"host", b"idempotency-key", b"keep-alive"}
    | {b"proxy-authorization", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"x-api-key"}
)
"""Headers of the connection and of this server, which vLLM's handler does not get."""


SHARED_HEADERS = frozenset({b"x-data-parallel-rank", b"x-request-id", b"x-session-id"})
"""Headers that reach past one request, as the field `request_id` does: not passed on where keys divide users."""


async def answer_plain(path: str, request: Request) -> Response:
    """Answer a body of vLLM's. `path`: that of vLLM's route, without a prefix. Raises ApiError."""
    service: Service = request.app.state.service
    service.check_ready()
    content = parse_json(await read_body(request))
    if not isinstance(content, dict):
        raise BadRequest("The body must be a JSON object.")
    hidden = OWN_HEADERS | SHARED_HEADERS if service.settings.api_keys_file else OWN_HEADERS
    headers = tuple((name, value) for name, value in request.scope["headers"] if name not in hidden)
    body = PlainBody(path, content, headers)
    plan = build_body_plan(body, service.backend.card, service.settings, caller(request))
    return await respond(service, plan, request, ENCODING, stream=body.stream)


def relabel_repeatable(plan: Plan, body: Body, *, cached: bool) -> Body:
    """Return vLLM's body; with an id and a time of its own where other requests may be given it too."""
    if plan.key is None:
        return body
    time = "created_at" if "created_at" in body else "created"
    own = {"id": f"{plan.request.id_prefix}-{plan.number}"} if isinstance(plan.request, PlainBody) else {}
    return body | own | ({time: plan.created} if time in body else {})


def stream(plan: Plan, job: Job[Body], reader: JobReader) -> AsyncGenerator[bytes]:
    is_anthropic = isinstance(plan.request, PlainBody) and plan.request.path == "/v1/messages"
    return messages_stream.relay(plan, job, reader) if is_anthropic else sse.relay(job, reader)


ENCODING = Encoding(relabel_repeatable, stream)
