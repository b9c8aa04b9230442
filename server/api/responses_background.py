"""A response in the background: the client gets it queued, or follows its events, and may leave."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from fastapi import Request, Response

from cogitate.server.api import sse
from cogitate.server.api.respond import describe, open_attempt
from cogitate.server.api.responses_choose_encoding import build_encoder
from cogitate.server.api.responses_fields import build_id
from cogitate.server.api.streaming import EventStream
from cogitate.server.engine import Body
from cogitate.server.errors import ApiError
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.json import OrjsonResponse, dumps
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.server.protocol.responses_event import encode_error
from cogitate.server.serving.background_responses import BackgroundResponses
from cogitate.server.serving.idempotency import Attempt
from cogitate.server.serving.job import Job
from cogitate.server.serving.local_response import LocalResponse
from cogitate.server.serving.service import Service
from cogitate.server.serving.shared_responses import Name, StoredResponse


async def respond_in_background(service: Service, plan: Plan, request: Request, parsed: ResponsesRequest) -> Response:
    """Start the plan's job, or find that of the same Idempotency-Key, and answer without waiting for its end.

    Raises ApiError where a strategy's request turns out to be invalid; the engine reports that at its turn only, and
    the response has then failed.
    """
    stream = bool(parsed.stream)
    attempt = await open_attempt(service, plan, request, stream=stream)
    if isinstance(attempt, Response):
        return attempt
    original, job = await service.dispatcher.answer(plan, attempt)
    request.state.describe = partial(describe, plan, job)
    name = plan.caller.tenant, build_id("resp", original)
    local = service.responses.find(name) or _start(service.responses, original, parsed, job)
    try:
        if plan.strategy is not None:
            await job.wait_for_acceptance()
    except ApiError:
        service.responses.forget(*name)
        if attempt:
            attempt.abandon()
        raise
    queued = local.stored.response
    if attempt:
        _record(attempt, job, local)
    headers = {"X-Cache": "hit"} if job.cached else {}
    if stream:
        return EventStream(follow_response(service.responses, name), headers)
    return OrjsonResponse(queued, headers=headers)


def _start(responses: BackgroundResponses, plan: Plan, parsed: ResponsesRequest, job: Job[Body]) -> LocalResponse:
    encoder = build_encoder(parsed, plan, job, responses.is_full)
    stored = StoredResponse(response=encoder.response, input=parsed.list_items(), is_streamed=bool(parsed.stream))
    return responses.start(stored, job, plan.caller, encoder)


def _record(attempt: Attempt, job: Job[Body], local: LocalResponse) -> None:
    """Store for the same Idempotency-Key at other processes: the response as it is now, or all of its events."""
    queued = dumps(local.stored.response)

    async def encode() -> bytes:
        if not local.stored.is_streamed:
            return queued
        async with aclosing(local.follow()) as events:
            return b"".join([event async for event in events if event])

    attempt.record(job, encode, at_once=not local.stored.is_streamed)


async def follow_response(responses: BackgroundResponses, name: Name, start: int = 0) -> AsyncGenerator[bytes]:
    """Yield the events of a streamed response from number `start` on, and comments while there are none."""
    number, events = start, responses.follow(name, start)
    try:
        async for event in events:
            number += event is not None
            yield event or sse.KEEP_ALIVE
    except ApiError as error:
        yield encode_error(error, number)
    finally:
        await events.aclose()
