"""Which searches each tenant has begun, the newest first: what `GET /v1/traces` lists.

Over a shared cache the processes have one list for each tenant. Each writes its own searches into it, together with
what it finds there. Two that write at once may leave out one entry of the other, until that one writes again, at the
end of its search.
"""

import heapq
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

import orjson
from pydantic import TypeAdapter, ValidationError

from cogitate.server.observability.trace_store import TTL_SECONDS, TraceStore
from cogitate.server.protocol.json import unix_time
from cogitate.strategies.core.concurrency import run_all

MAX_LISTED = 200
"""Searches of one tenant that are listed."""
Entry = tuple[float, str]
"""The time at which a search began, in seconds since 1970, and its number."""
PROCESS_EPOCH = unix_time() - time.monotonic()
_ENTRIES = TypeAdapter(list[Entry])


@dataclass(slots=True)
class RecentSearches:
    """The latest searches by tenant. Tenants are a closed set."""

    store: TraceStore
    clock: Callable[[], float] = lambda: PROCESS_EPOCH + time.monotonic()
    _own: dict[str, deque[Entry]] = field(default_factory=dict)
    """Those of this process."""

    def add(self, tenant: str, number: str) -> None:
        """Add a search that begins now."""
        self._own.setdefault(tenant, deque(maxlen=MAX_LISTED)).append((self.clock(), number))

    async def share(self, tenant: str) -> None:
        """Show this process's searches to the other processes."""
        await self.store.share("searches", (tenant, ""), orjson.dumps(await self._merge(tenant)))

    async def list_summaries(
        self, tenant: str, limit: int, find: Callable[[str], Coroutine[object, object, bytes | None]]
    ) -> tuple[list[bytes], bool]:
        """Return up to `limit` summaries, the newest first, and whether there are more.

        `find` returns that of a search, by its number; None where it is not stored any more.
        """
        numbers = [number for _, number in await self._merge(tenant)]
        found = list[bytes]()
        while numbers and len(found) <= limit:
            batch, numbers = numbers[: limit + 1], numbers[limit + 1 :]
            found += filter(None, await run_all([find(number) for number in batch]))
        return found[:limit], len(found) > limit

    async def _merge(self, tenant: str) -> list[Entry]:
        """Return the searches of all processes, the newest first."""
        value = await self.store.fetch_shared("searches", (tenant, ""))
        shared = _parse(value) if value else []
        oldest = self.clock() - TTL_SECONDS
        recent = {entry for entry in (*shared, *self._own.get(tenant, ())) if entry[0] > oldest}
        return heapq.nlargest(MAX_LISTED, recent)


def _parse(value: bytes) -> list[Entry]:
    """Return a shared list; an empty one where it is broken."""
    try:
        return _ENTRIES.validate_json(value)
    except ValidationError:
        return []
