"""Answers a plan over HTTP, complete or streamed, and records the response under its Idempotency-Key."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from fastapi import Request, Response

from cogitate.server.api.sse import raise_first_error
from cogitate.server.api.streaming import STREAM_HEADERS, Encode, JobStream
from cogitate.server.auth.caller import Caller
from cogitate.server.engine import Body
from cogitate.server.errors import RequestCancelled
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.json import OrjsonResponse, dumps
from cogitate.server.serving.idempotency import Attempt
from cogitate.server.serving.job import Job, JobReader
from cogitate.server.serving.service import Service
from cogitate.strategies.core.trace import Trace, usage

ERROR_EVENT_PREFIXES = (b'data: {"error"', b"event: error", b"event: response.failed")
"""First bytes of a stream event that reports a failure."""
T = TypeVar("T")


class BuildBody(Protocol):
    def __call__(self, plan: Plan, body: Body, /, *, cached: bool) -> Body: ...


@dataclass(frozen=True, slots=True)
class Encoding:
    """The format of one API. The plan gives the answer its id and time; encoding it twice gives the same bytes."""

    build_body: BuildBody
    """Build the complete answer from a job's result."""
    stream: Callable[[Plan, Job[Body], JobReader], AsyncGenerator[bytes]] | None = None
    """Encode the answer as server-sent events; None where the API has no streams."""

    async def render(self, plan: Plan, job: Job[Body]) -> Body:
        """Build the complete answer of a finished job. Raises its failure."""
        return self.build_body(plan, job.result(), cached=job.cached)

    async def encode(self, plan: Plan, job: Job[Body], *, stream: bool) -> bytes:
        """Encode a finished job's answer; empty where its stream holds a failure."""
        if not stream or self.stream is None:
            return dumps(await self.render(plan, job))
        async with aclosing(self.stream(plan, job, JobReader(plan.caller))) as chunks:
            content = b"".join([chunk async for chunk in chunks])
        has_failed = any(content.startswith(mark) or b"\n" + mark in content for mark in ERROR_EVENT_PREFIXES)
        return b"" if has_failed else content


async def respond(service: Service, plan: Plan, request: Request, encoding: Encoding, *, stream: bool) -> Response:
    """Answer the plan. A client that disconnects cancels what only it waited for.

    Where an idempotency key repeats, the answer has the first request's id and time. Raises ApiError for what fails
    before the first byte.
    """
    attempt = await open_attempt(service, plan, request, stream=stream)
    if isinstance(attempt, Response):
        return attempt
    original, job = await service.dispatcher.answer(plan, attempt)
    request.state.describe = partial(describe, plan, job)
    if attempt:
        attempt.record(job, lambda: encoding.encode(original, job, stream=stream))
    headers = {"X-Cache": "hit"} if job.cached else {}
    if stream and encoding.stream:
        return await _open_stream(request, job, plan.caller, partial(encoding.stream, original, job), headers)
    await _wait_for_result(request, job, plan.caller)
    return OrjsonResponse(await encoding.render(original, job), headers=headers)


def describe(plan: Plan, job: Job[Body]) -> dict[str, object]:
    """Return what the log line of a request says of its job. `tokens`: those that were decoded for the answer."""
    body = job.outcome or {}
    line: dict[str, object] = {"model": plan.served_model or plan.model}
    if job.tokens is not None:
        line["tokens"] = job.tokens
    elif used := body.get("usage"):
        line["tokens"] = used.get("completion_tokens", used.get("output_tokens"))
    elif isinstance(job.record, Trace):
        line["tokens"] = usage(job.record).completion
    if "cogitate" in body:
        line["stopped"] = body["cogitate"].get("stopped")
    if job.cached:
        line["cache"] = "hit"
    if job.failure or job.is_cancelled:
        line["error"] = (job.failure or RequestCancelled()).reason
    return line


async def open_attempt(service: Service, plan: Plan, request: Request, *, stream: bool) -> Attempt | Response | None:
    """Return the attempt of a request with an Idempotency-Key, or what another process answered to the same key.

    The request is counted in the metrics under the plan's strategy.
    """
    request.state.strategy = plan.strategy.name if plan.strategy else "none"
    if (key := request.headers.get("idempotency-key")) is None:
        return None
    attempt = service.idempotency.open_attempt(plan, key, request.scope["path"], stream=stream)
    return await _find_replay(request, attempt, stream=stream) or attempt


async def _find_replay(request: Request, attempt: Attempt, *, stream: bool) -> Response | None:
    """Return what another process answered to the same Idempotency-Key; None where this one has to answer."""
    replay = await _wait_for_result(request, attempt.look_up(), attempt.plan.caller)
    if not replay.content:
        return None
    if stream:
        return Response(replay.content, media_type="text/event-stream", headers=STREAM_HEADERS)
    return Response(replay.content, media_type="application/json")


async def _open_stream(
    request: Request, job: Job[Body], caller: Caller, encode: Encode, headers: dict[str, str]
) -> Response:
    """Build the streamed response once the request is accepted, so that an earlier error still has its status."""
    stream = JobStream(job, caller, encode, headers)
    accepted, has_begun = asyncio.ensure_future(job.wait_for_acceptance()), False
    try:
        await _wait(request, stream.reader, accepted)
        accepted.result()
        raise_first_error(job)
        has_begun = True
    finally:
        accepted.cancel()
        if not has_begun:
            stream.leave()
    return stream


async def _wait_for_result(request: Request, job: Job[T], caller: Caller) -> T:
    """Return the job's result. Raises its failure, and RequestCancelled where the client leaves before."""
    if job.task is not None:
        with job.read(caller) as reader:
            await _wait(request, reader, job.task)
    return job.result()


async def _wait(request: Request, reader: JobReader, future: "asyncio.Future[None]") -> None:
    """Raises RequestCancelled when the client disconnects, or cancels the request by its id, before it is done."""

    async def watch_disconnect() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    watcher = asyncio.ensure_future(watch_disconnect())
    try:
        await asyncio.wait([future, reader.dropped, watcher], return_when=asyncio.FIRST_COMPLETED)
    finally:
        watcher.cancel()
    if not future.done():
        raise RequestCancelled
