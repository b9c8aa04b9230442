"""The traces of running searches, and where each request's trace is found."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field

from cogitate.server.auth.caller import Caller
from cogitate.server.engine import Body
from cogitate.server.observability.metrics import Metrics
from cogitate.server.observability.recent_searches import RecentSearches
from cogitate.server.observability.trace_json import dump_cached_trace, dump_request, dump_summary, dump_trace
from cogitate.server.observability.trace_origin import Origin
from cogitate.server.observability.trace_store import Name, StoredTrace, TraceStore
from cogitate.server.planning.plan import Plan, answer_number
from cogitate.server.serving.job import Job
from cogitate.strategies.core.trace import Trace, Usage, usage

MAX_LINKS = 3
"""Origins that are followed: a request joined a job, whose answer came from another process or from the cache."""

WATCH = "watch"
"""The message that asks for the events so far of a search."""
ANSWER_ID_PREFIXES = ("chatcmpl-", "cmpl-")


@dataclass(frozen=True, slots=True)
class TraceRegistry:
    """Follows each search from its start, and stores its trace at the end."""

    metrics: Metrics
    store: TraceStore
    run_in_background: Callable[[Coroutine[object, object, None]], None]
    call_peers: Callable[[str, Name], Awaitable[bool]] | None = None
    """Sends a message about a search to the other processes; None: there are none."""
    running: dict[Name, tuple[Plan, Trace]] = field(default_factory=dict)
    """The searches of this process, by tenant and number."""
    watched: dict[Name, asyncio.Event] = field(default_factory=dict)
    """Of these, set while another process wants to see one's events."""
    recent: RecentSearches = field(init=False)
    """The searches of all processes."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "recent", RecentSearches(self.store))

    def start(self, plan: Plan, trace: Trace, job: Job[Body]) -> None:
        """Make the trace of a search available from now on, under its request id and its answer's number."""
        name = plan.caller.tenant, plan.number
        self.running[name] = plan, trace
        self._put_origin(plan, plan.number)
        self.recent.add(*name)
        job.add_end_callback(lambda: self._finish_after_response(name, job))
        if self.store.shared is not None:
            self.run_in_background(self._share(name, plan, job))

    def link(self, plan: Plan, number: str) -> None:
        """Make the trace of the answer `number` available under the id of a request that was given this answer."""
        if plan.strategy is not None:
            self._put_origin(plan, number)
            self.store.put_origin((plan.caller.tenant, plan.number), Origin.of(plan, number))

    def adopt(self, plan: Plan, body: Body) -> Body:
        """Link a request to the search that found `body`, which it is answered with."""
        self.link(plan, answer_number(str(body.get("id"))))
        return body

    def find_number(self, plan: Plan) -> str:
        """Return the number of the answer that this request found or was given."""
        origin = self.store.find_origin((plan.caller.tenant, plan.number))
        return origin.number if origin else plan.number

    async def watch(self, name: Name) -> None:
        """Ask the process that runs a search to store its events so far. Call it again for later ones."""
        if self.call_peers:
            await self.call_peers(WATCH, name)

    def show(self, tenant: str, number: str) -> bool:
        """Store the events so far of a search that another process watches. Returns whether it runs here."""
        watched = self.watched.get((tenant, number))
        if watched:
            watched.set()
        return watched is not None

    async def fetch(self, caller: Caller, *, text: bool = True) -> bytes | None:
        """Return the trace, as JSON, of the tenant's request or answer whose id is `caller.request_id`."""
        origin, name = await self.resolve(caller)
        trace = self._build_running(name, text=text) or await self.store.fetch_trace(name)
        if trace is not None:
            return trace.render(caller, text=text)
        return dump_cached_trace(caller, origin) if origin and not origin.is_own else None

    async def resolve(self, caller: Caller) -> tuple[Origin | None, Name]:
        """Return the origin of the request or answer whose id is `caller.request_id`, and where its trace is."""
        origin, number = await self._resolve(caller.tenant, caller.request_id)
        if origin is None and number.startswith(ANSWER_ID_PREFIXES):
            origin, number = await self._resolve(caller.tenant, answer_number(number))
        return origin, (caller.tenant, number)

    async def list_recent(self, tenant: str, limit: int) -> tuple[list[bytes], bool]:
        """Return the summaries of a tenant's latest searches, as JSON, and whether there are more."""

        async def find(number: str) -> bytes | None:
            if running := self.running.get((tenant, number)):
                return dump_summary(*running, usage(running[1]), "running")
            return await self.store.fetch_summary((tenant, number))

        return await self.recent.list_summaries(tenant, limit, find)

    async def _resolve(self, tenant: str, request_id: str) -> tuple[Origin | None, str]:
        """Follow the origins of a request; returns the last one, and the number that it leads to."""
        origin, number = None, request_id
        for _ in range(MAX_LINKS):
            link = await self.store.fetch_origin((tenant, number))
            if link is None or link.number == number:
                break
            origin, number = link, link.number
        return origin, number

    def _put_origin(self, plan: Plan, number: str) -> None:
        name, origin = plan.caller.name, Origin.of(plan, number)
        self.store.put_origin(name, origin)
        if self.store.shared is not None:
            self.run_in_background(self.store.share_origin(name, origin))

    def _build_running(self, name: Name, *, text: bool) -> StoredTrace | None:
        running = self.running.get(name)
        return build_stored_trace(*running, "running", text=text) if running else None

    def _finish_after_response(self, name: Name, job: Job[Body]) -> None:
        """Store the trace in the turn of the event loop after that in which the response is written.

        The client does not wait for its encoding, and no later request can come before it.
        """
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._finish, name, job)

    def _finish(self, name: Name, job: Job[Body]) -> None:
        plan, trace = self.running.pop(name)
        spent = usage(trace)
        self.metrics.observe(plan, trace, spent)
        job.tokens = spent.completion
        if self.find_number(plan) == plan.number:  # else the answer is another search's
            status = job.failure.code or "failed" if job.failure else "completed"
            self.store.put_trace(name, build_stored_trace(plan, trace, status, spent))
            self.store.put_summary(name, dump_summary(plan, trace, spent, status))
        if watched := self.watched.get(name):
            watched.set()

    async def _share(self, name: Name, plan: Plan, job: Job[Body]) -> None:
        """Show the other processes that the search runs, and in the end its trace.

        A trace that is too large for the cache is shown without its events.
        """
        await self.store.share_trace(name, build_stored_trace(plan, Trace(), "running"))
        await self._share_summary(name, dump_summary(plan, Trace(), Usage(), "running"))
        await self._share_events(name)
        trace = await self.store.fetch_trace(name)
        if trace is not None and not await self.store.share_trace(name, trace):
            status = job.failure.code or "failed" if job.failure else "completed"
            await self.store.share_trace(name, build_stored_trace(plan, Trace(), status))
        if summary := await self.store.fetch_summary(name):
            await self._share_summary(name, summary)

    async def _share_events(self, name: Name) -> None:
        """Store the events so far each time that another process watches, until the search ends."""
        watched = self.watched[name] = asyncio.Event()
        while name in self.running:
            await watched.wait()
            watched.clear()
            if running := self.running.get(name):
                await self.store.share_trace(name, build_stored_trace(*running, "running"))
        del self.watched[name]

    async def _share_summary(self, name: Name, summary: bytes) -> None:
        await self.store.share("summary", name, summary)
        await self.recent.share(name[0])


def build_stored_trace(
    plan: Plan, trace: Trace, status: str, spent: Usage | None = None, *, text: bool = True
) -> StoredTrace:
    """Build the stored form of a trace. `spent`: its usage, where it is known already."""
    content = dump_trace(plan, trace, spent or usage(trace), status, text=text)
    return StoredTrace(plan.caller.key, dump_request(plan), content)
