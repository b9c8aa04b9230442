"""From a plan to an HTTP answer, whole or streamed; a client that hangs up ends what only it waited for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from cogitate.server.api import sse
from cogitate.server.auth.caller import Caller
from cogitate.server.engine import Body
from cogitate.server.errors import BadRequest, Cancelled
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.json import OrjsonResponse, dumps
from cogitate.server.serving.chat_response import relabel
from cogitate.server.serving.jobs import Job, JobReader
from cogitate.server.serving.replays import Repeat, Replay
from cogitate.server.serving.service import Service
from cogitate.strategies.core.event_log import EventLog

UNBUFFERED = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
LONGEST_KEY = 255
FAILED = (b'data: {"error"', b"event: error", b"event: response.failed")
"""How an event of a stream begins that tells of a failure."""
T = TypeVar("T")
Content = Callable[[JobReader], AsyncIterator[bytes]]


def caller(request: Request) -> Caller:
    state = request.state
    return Caller(state.tenant, state.key, state.request_id, state.rights)


def repeat_key(request: Request) -> str | None:
    """The Idempotency-Key. Raises BadRequest for one that is too long."""
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= LONGEST_KEY:
        raise BadRequest(f"Idempotency-Key must be 1 to {LONGEST_KEY} characters long.", param="Idempotency-Key")
    return key


@dataclass(frozen=True, slots=True)
class Wording:
    """How a job's answer is put in words for the request that it answers: the same each time."""

    whole: Callable[[], Body]
    pieces: Content
    """As a stream."""

    async def said(self, by: Caller, *, stream: bool) -> bytes:
        """All of a finished answer; nothing where it is a failure."""
        if not stream:
            return dumps(self.whole())
        said = b"".join([piece async for piece in self.pieces(JobReader(by))])
        return b"" if any(said.startswith(mark) or b"\n" + mark in said for mark in FAILED) else said


Words = Callable[[Plan, Job[Body]], Wording]
"""`plan`: the one that the answer is told by, the first one's where an idempotency key repeats."""


async def answered(service: Service, plan: Plan, request: Request) -> Response:
    """The plan's answer in the shape of the request. Raises ApiError for what fails before the first byte."""

    def words(told_by: Plan, job: Job[Body]) -> Wording:
        relays = plan.strategy is None and not job.cached
        pieces = partial(sse.relay, job) if relays else partial(sse.stream, told_by, job)
        return Wording(lambda: relabel(told_by, job.result(), cached=job.cached), pieces)

    return await worded(service, plan, request, words, stream=bool(plan.request.stream))


async def worded(service: Service, plan: Plan, request: Request, words: Words, *, stream: bool) -> Response:
    """Raises as `answered` does."""
    request.state.strategy = plan.strategy_name
    key = repeat_key(request)
    repeat = Repeat.of(plan, key, request.scope["path"], stream=stream) if key and service.claims(plan, key) else None
    if repeat and (replay := await elsewhere(service, plan, request, repeat)).said:
        service.searches.borrowed(plan, replay.number)
        kind, headers = ("text/event-stream", UNBUFFERED) if stream else ("application/json", {})
        return Response(replay.said, media_type=kind, headers=headers)
    async with service.replays.beginning(repeat):
        told_by, job = await service.answer(plan, key)
    wording = words(told_by, job)
    if repeat:
        number = service.searches.number(told_by)
        service.replays.keep(repeat, number, job, lambda: wording.said(plan.caller, stream=stream))
    headers = {"X-Cache": "hit"} if job.cached else {}
    if stream:
        return await opened(request, job, plan.caller, wording.pieces, headers)
    await unless_gone(request, job, plan.caller)
    return OrjsonResponse(wording.whole(), headers=headers)


async def elsewhere(service: Service, plan: Plan, request: Request, repeat: Repeat) -> Replay:
    """What another process said to this key, waited for as a job is."""
    waiting = service.jobs.start(EventLog[str](), lambda _: service.replays.find(repeat))
    return await unless_gone(request, waiting, plan.caller)


async def opened(request: Request, job: Job[Body], by: Caller, content: Content, headers: dict[str, str]) -> Response:
    """A stream that begins once the request is accepted: what is refused still gets its status."""
    stream = JobStream(job, by, content, headers)
    accepted, begins = asyncio.ensure_future(job.wait_until_accepted()), False
    try:
        await before_gone(request, stream.reader, accepted)
        accepted.result()
        sse.raise_if_refused(job)
        begins = True
    finally:
        accepted.cancel()
        if not begins:
            stream.leave()
    return stream


class JobStream(StreamingResponse):
    """Streams a job and leaves it when the response ends, however it ends.

    Not a `finally` in the generator: a client gone before the first byte never starts the generator.
    """

    def __init__(self, job: Job[Any], by: Caller, content: Content, headers: dict[str, str]) -> None:
        self._reading = job.read(by)
        self.reader = self._reading.__enter__()
        super().__init__(content(self.reader), media_type="text/event-stream", headers=UNBUFFERED | headers)

    def leave(self) -> None:
        self._reading.__exit__(None, None, None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        seconds: float = scope["app"].state.service.settings.send_seconds

        async def sent(message: Message) -> None:
            async with asyncio.timeout(seconds):
                await send(message)

        try:
            await super().__call__(scope, receive, sent)
        except TimeoutError:
            return  # A reader that has frozen: the connection is closed without an end.
        finally:
            self.leave()


async def unless_gone(request: Request, job: Job[T], by: Caller) -> T:
    """The job's result."""
    if job.task is not None:
        with job.read(by) as reader:
            await before_gone(request, reader, job.task)
    return job.result()


async def before_gone(request: Request, reader: JobReader, awaited: "asyncio.Future[None]") -> None:
    """Waits for it. Raises Cancelled when the client hangs up, or the request is cancelled by name, before."""

    async def hung_up() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    watcher = asyncio.ensure_future(hung_up())
    try:
        await asyncio.wait([awaited, reader.dropped, watcher], return_when=asyncio.FIRST_COMPLETED)
    finally:
        watcher.cancel()
    if not awaited.done():
        raise Cancelled
