"""The streamed response of a job."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from types import MappingProxyType
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from cogitate.server.auth.caller import Caller
from cogitate.server.serving.job import Job, JobReader

STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""Keep proxies from buffering a stream."""
Encode = Callable[[JobReader], AsyncGenerator[bytes]]


class EventStream(StreamingResponse):
    """Streams events, and closes their generator when the response ends, however it ends."""

    def __init__(self, content: AsyncGenerator[bytes], headers: Mapping[str, str] = MappingProxyType({})) -> None:
        self._content = content
        super().__init__(content, media_type="text/event-stream", headers={**STREAM_HEADERS, **headers})

    def leave(self) -> None:
        """Stop reading, also where the generator was never started."""

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
            await self._content.aclose()


class JobStream(EventStream):
    """Streams a job, and stops reading it when the response ends.

    Not a `finally` in the generator: where the client leaves before the first byte, a generator never starts.
    """

    def __init__(self, job: Job[Any], caller: Caller, encode: Encode, headers: dict[str, str]) -> None:
        self._reading = job.read(caller)
        self.reader = self._reading.__enter__()
        super().__init__(encode(self.reader), headers)

    def leave(self) -> None:
        """Stop reading. A job without readers is cancelled."""
        self._reading.__exit__(None, None, None)
