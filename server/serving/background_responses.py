"""Stored responses, and the jobs in the background that make them.

A job in the background is read by a task of this process, as by any client: limits, slots, cancels and the drain hold
for it. The task never leaves, so that the job outlives the request that began it.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, aclosing
from typing import Protocol

from cogitate.server.auth.caller import Caller
from cogitate.server.cache import BoundedCache
from cogitate.server.engine import Body
from cogitate.server.errors import ApiError, BadRequest, NotFound
from cogitate.server.serving.job import Job, JobReader
from cogitate.server.serving.jobs import to_api_error
from cogitate.server.serving.local_response import LocalResponse
from cogitate.server.serving.peers import Peers
from cogitate.server.serving.shared_responses import TTL_SECONDS, Name, SharedResponses, StoredResponse
from cogitate.strategies.core.event_log import Cursor

NEWS_SECONDS = 20.0
"""How often other processes get news of a running response: thrice in the time for which they see it without any."""
SHARE_SECONDS = 0.1
"""Pause between two writes of one response to the shared cache."""
SHARE_ATTEMPTS = 5
CANCEL_SECONDS = 5.0
"""How long a cancel waits for the response's end."""
NOT_FOUND = "No response has this id: it is wrong, was not stored, or has expired after an hour."
NOT_CANCELLABLE = "Only a response in the background is cancelled by its id: to cancel another, close its connection."


class Recorder(Protocol):
    """Encodes the events of a job's response."""

    @property
    def response(self) -> Body:
        """The response as of the last event."""

    def record(self, job: Job[Body], reader: JobReader) -> AsyncGenerator[bytes]:
        """Yield one event at a time, numbered from 0, until the response has ended; a comment is no event."""

    def encode_failure(self, error: ApiError) -> Iterator[bytes]:
        """The last event of a response that has failed."""


class BackgroundResponses:
    """Responses by tenant and id, for an hour.

    `max_bytes` limits those in this process that have ended, and by itself the events of all that run. `shared`: those
    of all processes; None: there are no others.
    """

    def __init__(self, peers: Peers, shared: SharedResponses | None, max_bytes: int) -> None:
        self._peers, self._shared, self._max_bytes = peers, shared, max_bytes
        self._running: dict[Name, LocalResponse] = {}
        self._ended = BoundedCache[Name, LocalResponse](max_bytes, TTL_SECONDS, size_of=lambda _, local: local.size)
        self._event_bytes = 0
        peers.handlers["forget"] = self.forget

    def is_full(self) -> bool:
        """Whether running responses have used up the memory for events."""
        return self._event_bytes >= self._max_bytes

    def find(self, name: Name) -> LocalResponse | None:
        """Return the response where this process has it."""
        return self._running.get(name) or self._ended.get(name)

    async def fetch(self, name: Name) -> StoredResponse:
        """Return the response as it is now. Raises NotFound."""
        stored = await self.look_up(name)
        if stored is None:
            raise NotFound(NOT_FOUND, param="response_id")
        return stored

    async def look_up(self, name: Name) -> StoredResponse | None:
        """Return the response as it is now; None where it is not stored."""
        local = self.find(name)
        return local.stored if local else await self._shared.fetch(name) if self._shared else None

    async def put(self, name: Name, stored: StoredResponse) -> None:
        """Store a response that has ended."""
        local = LocalResponse(name, stored)
        local.events.close()
        self._ended.put(name, local)
        if self._shared:
            await self._shared.put(name, stored)

    def start(self, stored: StoredResponse, job: Job[Body], caller: Caller, recorder: Recorder) -> LocalResponse:
        """Follow a job to its end. It can be cancelled by the response's id too."""
        name = caller.tenant, str(stored.response["id"])
        local = self._running[name] = LocalResponse(name, stored)
        reading = ExitStack()
        reader = reading.enter_context(job.read(caller, alias=name[1]))
        self._peers.jobs.run_in_background(self._record(local, job, reader, reading, recorder))
        if self._shared:
            self._peers.jobs.run_in_background(self._share(local, self._shared))
        return local

    async def _record(
        self, local: LocalResponse, job: Job[Body], reader: JobReader, reading: ExitStack, recorder: Recorder
    ) -> None:
        with reading:
            try:
                async with aclosing(recorder.record(job, reader)) as events:
                    async for event in events:
                        self._add(local, event, recorder)
            except Exception as failure:  # noqa: BLE001 whatever fails here, the response has to end
                for event in recorder.encode_failure(to_api_error(failure)):
                    self._add(local, event, recorder)
        self._event_bytes -= local.event_bytes
        if self._running.pop(local.name, None):
            self._ended.put(local.name, local)
        local.events.close()

    def _add(self, local: LocalResponse, event: bytes, recorder: Recorder) -> None:
        if recorder.response is not local.stored.response:
            local.stored = local.stored.update(recorder.response)
        if not event.startswith(b":"):
            self._event_bytes += local.add(event)

    async def _share(self, local: LocalResponse, shared: SharedResponses) -> None:
        """Show the response to the other processes: its events as they come, each time followed by its state."""
        cursor, segment, attempts = Cursor(), 0, 0
        while not local.is_deleted and attempts < SHARE_ATTEMPTS:
            has_ended, stored = local.events.closed, local.stored
            while events := local.take_segment(cursor):
                await shared.put_events(local.name, segment, events)
                segment += 1
            if await shared.put(local.name, stored) and has_ended and not local.is_deleted:
                return
            attempts += has_ended
            if not local.has_news(cursor, stored):
                await local.events.wait(NEWS_SECONDS)
            await asyncio.sleep(SHARE_SECONDS)
        if local.is_deleted:
            await shared.delete(local.name)

    async def follow(self, name: Name, start: int) -> AsyncGenerator[bytes | None]:
        """Yield the events of a streamed response from number `start` on, and None from time to time."""
        if local := self.find(name):
            source = local.follow()
        elif self._shared:
            source = self._shared.follow(name)
        else:
            return
        number = 0
        try:
            async for event in source:
                if event is None or number >= start:
                    yield event
                number += event is not None
        finally:
            await source.aclose()

    async def cancel(self, caller: Caller, response_id: str) -> Body:
        """Cancel a response in the background, wherever it runs; returns it. One that has ended stays as it is.

        Raises NotFound, and BadRequest for a response that is not in the background.
        """
        name = caller.tenant, response_id
        stored = await self.fetch(name)
        if not stored.response.get("background"):
            raise BadRequest(NOT_CANCELLABLE, param="response_id")
        if stored.has_ended:
            return stored.response
        await self._peers.cancel(caller._replace(request_id=response_id))
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                return await self._wait_for_end(name)
        except TimeoutError:
            return stored.response | {"status": "cancelled"}

    async def _wait_for_end(self, name: Name) -> Body:
        if local := self.find(name):
            await local.wait_for_end()
            return local.stored.response
        while True:
            stored = await self.fetch(name)
            if stored.has_ended:
                return stored.response
            await asyncio.sleep(SHARE_SECONDS)

    async def delete(self, name: Name) -> None:
        """Cancel the response if it runs, and delete it in every process. Raises NotFound."""
        await self.fetch(name)
        self.forget(*name)
        await self._peers.call("forget", name)
        if self._shared:
            await self._shared.delete(name)

    def forget(self, tenant: str, response_id: str) -> bool:
        """Cancel the response if it runs here, and delete it in this process. Returns whether it ran."""
        name = tenant, response_id
        if local := self.find(name):
            local.is_deleted = True
        self._ended.discard(name)
        is_running = self._running.pop(name, None) is not None
        if is_running:
            self._peers.jobs.cancel(tenant, response_id)
        return is_running
