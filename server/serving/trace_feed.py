"""The events of one search for whoever watches it: those so far, then each as it happens.

A search of this process is followed by its event log. Of one of another process, that process stores the events so far
each time that it is asked, and in the end all of them.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from cogitate.server.auth.caller import Caller
from cogitate.server.errors import NotFound
from cogitate.server.observability.event_json import to_trace_event
from cogitate.server.observability.trace_origin import Origin
from cogitate.server.observability.trace_store import Name, StoredTrace
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.trace import TraceEvent
from cogitate.server.serving.trace_registry import TraceRegistry
from cogitate.strategies.core.trace import Trace

POLL_SECONDS = 1.0
"""Time between two looks at a search of another process."""
Numbered = tuple[int, TraceEvent]
"""An event, and its number in its trace."""


class TraceLost(NotFound):
    """The process whose search was followed has stopped, or its trace has expired."""


@dataclass(frozen=True, slots=True)
class TraceFeed:
    """The events of the search that answers the request, or has given the answer, whose id is `caller.request_id`."""

    traces: TraceRegistry
    caller: Caller
    text: bool
    """Whether decodes have their texts."""

    async def exists(self) -> bool:
        """Return whether there is such a search."""
        origin, name = await self.traces.resolve(self.caller)
        is_known = origin is not None or name in self.traces.running
        return is_known or await self.traces.store.fetch_trace(name) is not None

    async def follow(self, start: int, keep_alive_seconds: float) -> AsyncGenerator[Numbered | None]:
        """Yield the events from number `start` on, and None after every `keep_alive_seconds` without one.

        Ends with the search. Raises TraceLost.
        """
        while True:
            origin, name = await self.traces.resolve(self.caller)
            running = self.traces.running.get(name)
            stored = None if running else await self.traces.store.fetch_trace(name)
            if running:
                events = self._follow_running(*running, start, keep_alive_seconds)
            elif stored and stored.is_running:
                events = self._look(name, stored, start)
            else:
                events = self._replay(stored, origin, start)
            try:
                async for numbered in events:
                    start = start if numbered is None else numbered[0] + 1
                    yield numbered
            finally:
                await events.aclose()
            goes_on = self._is_answered_elsewhere(*running) if running else stored is not None and stored.is_running
            if not goes_on:
                return

    def _is_answered_elsewhere(self, plan: Plan, trace: Trace) -> bool:
        """Return whether a search that has ended decoded nothing, since another one has answered its request."""
        return not trace.count and self.traces.find_number(plan) != plan.number

    async def _look(self, name: Name, stored: StoredTrace, start: int) -> AsyncGenerator[Numbered | None]:
        """Yield what another process has stored of its search, and wait until it may have stored more."""
        for numbered in list(enumerate(stored.list_events(text=self.text)))[start:]:
            yield numbered
        await self.traces.watch(name)
        await asyncio.sleep(POLL_SECONDS)
        yield None

    async def _replay(
        self, stored: StoredTrace | None, origin: Origin | None, start: int
    ) -> AsyncGenerator[Numbered | None]:
        """Raises TraceLost where there is no trace, nor a request that was given a cached answer."""
        if stored is None and (origin is None or origin.is_own):
            raise TraceLost("The trace has expired, or the server that ran the search has stopped.", param="id")
        for numbered in list(enumerate(stored.list_events(text=self.text) if stored else []))[start:]:
            yield numbered

    async def _follow_running(
        self, plan: Plan, trace: Trace, start: int, keep_alive_seconds: float
    ) -> AsyncGenerator[Numbered | None]:
        place = number = 0
        while True:
            while place < trace.count:
                entry, place = trace.entries[place], place + 1
                if event := to_trace_event(entry, plan.served_model, text=self.text):
                    if number >= start:
                        yield number, event
                    number += 1
            if trace.closed:
                return
            if not await trace.wait(keep_alive_seconds):
                yield None
