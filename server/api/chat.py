"""POST /v1/chat/completions, and /v1/completions."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from server.api import sse
from server.api.body import read
from server.api.json import JSON
from server.api.openai import ChatRequest, CompletionRequest
from server.api.response import replayed
from server.engine import Body
from server.errors import ApiError
from server.jobs import Job, Jobs
from server.plan import Plan, plan, plan_completion
from server.service import Service

router = APIRouter()
UNBUFFERED = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


@router.post("/v1/chat/completions", response_model=None, summary="Answer a chat, by a strategy or plainly")
async def chat(request: Request) -> Response:
    service: Service = request.app.state.service
    service.check_ready()
    wire = await read(request, ChatRequest)
    state = request.state
    planned = plan(wire, service.backend.card, service.settings, service.verifiers, state.tenant, state.request_id)
    request.state.strategy = planned.strategy_name
    if (body := await service.kept(planned)) is not None:
        return _kept(planned, replayed(planned, body))
    return await (_search if planned.strategy else _plain)(service, planned, request)


@router.post("/v1/completions", response_model=None, summary="Complete a raw prompt, by the engine itself")
async def complete(request: Request) -> Response:
    service: Service = request.app.state.service
    service.check_ready()
    wire = await read(request, CompletionRequest)
    return await _plain(service, plan_completion(wire, service.backend.card, service.settings), request)


async def _search(service: Service, planned: Plan, request: Request) -> Response:
    job = await service.search(planned)
    if planned.request.stream:
        return JobStream(job, sse.stream(planned, job))
    return JSON(await _unless_gone(request, job))


async def _plain(service: Service, planned: Plan, request: Request) -> Response:
    job = await service.plain(planned)
    answer = await _unless_gone(request, job)
    if isinstance(answer, dict):
        return JSON(answer | {"model": planned.model})
    return EngineStream(service.jobs, await _opened(answer))


def _kept(planned: Plan, body: Body) -> Response:
    headers = {"X-Cache": "hit"}
    if planned.request.stream:
        return StreamingResponse(sse.replay(planned, body), media_type="text/event-stream", headers=headers)
    return JSON(body, headers=headers)


class JobStream(StreamingResponse):
    """Streams a job and ends it when the response ends, however it ends.

    Not a `finally` in the generator: a client gone before the first byte never starts the generator.
    """

    def __init__(self, job: Job[Body], content: AsyncIterator[bytes]) -> None:
        super().__init__(content, media_type="text/event-stream", headers=UNBUFFERED)
        self.job = job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.job.cancel()


class EngineStream(StreamingResponse):
    """The engine's own stream: under way, and so drained, until its last byte."""

    def __init__(self, jobs: Jobs, content: AsyncIterator[str]) -> None:
        super().__init__(content, media_type="text/event-stream", headers=UNBUFFERED)
        self.jobs = jobs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.jobs.holding():
            await super().__call__(scope, receive, send)


class Gone(ApiError):
    """The client hung up; nobody reads this."""

    status = 499


async def _unless_gone(
    request: Request, job: "Job[Body | AsyncIterator[str]] | Job[Body]"
) -> Body | AsyncIterator[str]:
    """The job's result. A client that hangs up cancels it."""

    async def hung_up() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    watcher = asyncio.ensure_future(hung_up())
    try:
        await asyncio.wait([job.task, watcher], return_when=asyncio.FIRST_COMPLETED)
        if not job.task.done():
            raise Gone("The client hung up.")
        return job.result()
    finally:
        watcher.cancel()
        job.cancel()


async def _opened(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    """The engine's own stream, from its first line on: an error that comes before any answer still gets its status."""
    first = await anext(lines)
    sse.raise_if_error(first)

    async def rest() -> AsyncIterator[str]:
        yield first
        async for line in lines:
            failure = sse.failure(line)
            yield line if failure is None else failure
            if failure is not None:
                return

    return rest()
