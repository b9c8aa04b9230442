"""Streamed responses of jobs, and waiting for a job while the client may disconnect."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from cogitate.server.api.sse import raise_first_error
from cogitate.server.auth.caller import Caller
from cogitate.server.engine import Body
from cogitate.server.errors import RequestCancelled
from cogitate.server.serving.jobs import Job, JobReader

STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""Keep proxies from buffering a stream."""
T = TypeVar("T")
Encode = Callable[[JobReader], AsyncIterator[bytes]]


class JobStream(StreamingResponse):
    """Streams a job, and stops reading it when the response ends, however it ends.

    Not a `finally` in the generator: where the client leaves before the first byte, a generator never starts.
    """

    def __init__(self, job: Job[Any], caller: Caller, encode: Encode, headers: dict[str, str]) -> None:
        self._reading = job.read(caller)
        self.reader = self._reading.__enter__()
        super().__init__(encode(self.reader), media_type="text/event-stream", headers=STREAM_HEADERS | headers)

    def leave(self) -> None:
        """Stop reading. A job without readers is cancelled."""
        self._reading.__exit__(None, None, None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        seconds: float = scope["app"].state.service.settings.send_seconds

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(seconds):
                await send(message)

        try:
            await super().__call__(scope, receive, send_in_time)
        except TimeoutError:
            return  # The client reads nothing any more: the connection is closed without an end of the stream.
        finally:
            self.leave()


async def open_stream(
    request: Request, job: Job[Body], caller: Caller, encode: Encode, headers: dict[str, str]
) -> Response:
    """Build the streamed response once the request is accepted, so that an earlier error still has its status."""
    stream = JobStream(job, caller, encode, headers)
    accepted, has_begun = asyncio.ensure_future(job.wait_until_accepted()), False
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


async def wait_for_result(request: Request, job: Job[T], caller: Caller) -> T:
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
