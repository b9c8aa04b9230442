"""Answers a plan over HTTP, complete or streamed, and records the response under its Idempotency-Key."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from fastapi import Request, Response

from cogitate.server.api.streaming import STREAM_HEADERS, open_stream, wait_for_result
from cogitate.server.auth.caller import Caller
from cogitate.server.engine import Body
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.json import OrjsonResponse, dumps
from cogitate.server.serving.idempotency import Attempt
from cogitate.server.serving.jobs import Job, JobReader
from cogitate.server.serving.service import Service

ERROR_EVENT_PREFIXES = (b'data: {"error"', b"event: error", b"event: response.failed")
"""First bytes of a stream event that reports a failure."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """A job's answer in the format of one API. Rendering it twice gives the same bytes."""

    build_body: Callable[[], Body]
    """Build the complete answer. Raises the job's failure."""
    stream: Callable[[JobReader], AsyncIterator[bytes]]
    """Encode the answer as server-sent events."""

    async def encode(self, caller: Caller, *, stream: bool) -> bytes:
        """Encode a finished job's answer; empty where its stream holds a failure."""
        if not stream:
            return dumps(self.build_body())
        content = b"".join([chunk async for chunk in self.stream(JobReader(caller))])
        has_failed = any(content.startswith(mark) or b"\n" + mark in content for mark in ERROR_EVENT_PREFIXES)
        return b"" if has_failed else content


Render = Callable[[Plan, Job[Body]], Rendering]
"""Takes the plan whose id and time the answer has: the first request's where an idempotency key repeats."""


async def respond(service: Service, plan: Plan, request: Request, render: Render, *, stream: bool) -> Response:
    """Answer the plan. A client that disconnects cancels what only it waited for.

    Raises ApiError for what fails before the first byte.
    """
    request.state.strategy = plan.strategy_name
    key = request.headers.get("idempotency-key")
    attempt = service.idempotency.open_attempt(plan, key, request.scope["path"], stream=stream)
    if attempt and (replay := await _find_replay(request, attempt, stream=stream)):
        return replay
    original, job = await service.answer(plan, attempt)
    rendering = render(original, job)
    if attempt:
        attempt.record(job, lambda: rendering.encode(plan.caller, stream=stream))
    headers = {"X-Cache": "hit"} if job.cached else {}
    if stream:
        return await open_stream(request, job, plan.caller, rendering.stream, headers)
    await wait_for_result(request, job, plan.caller)
    return OrjsonResponse(rendering.build_body(), headers=headers)


async def _find_replay(request: Request, attempt: Attempt, *, stream: bool) -> Response | None:
    """Return what another process answered to the same Idempotency-Key; None where this one has to answer."""
    replay = await wait_for_result(request, attempt.look_up(), attempt.plan.caller)
    if not replay.content:
        return None
    if stream:
        return Response(replay.content, media_type="text/event-stream", headers=STREAM_HEADERS)
    return Response(replay.content, media_type="application/json")
