"""Idempotency keys: a duplicate request joins the running job or gets its result.

Within a process a duplicate shares the job itself. Across processes two values of a key stand in the cache: the digest
of the request while it runs, and afterwards that digest with the rendered response, which duplicates get byte for byte.
Failures are not recorded, so that a retry runs anew. Where Redis does not serve, each process knows its own keys only.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cogitate.server.cache import BoundedCache
from cogitate.server.errors import BadRequest, IdempotencyKeyReused
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.json import digest
from cogitate.server.serving.job import Job
from cogitate.server.serving.jobs import Jobs
from cogitate.server.serving.single_flight import SingleFlight
from cogitate.server.serving.trace_registry import TraceRegistry
from cogitate.strategies.core.event_log import EventLog

MAX_KEY_CHARACTERS = 255
MAX_ENTRIES = 256
"""Keys that a process remembers."""
TTL_SECONDS = 600
"""How long a key is remembered from its first use."""
MISMATCH_SECONDS = 0.5
"""How long another request must have the key before this one is refused.

A request that failed gives up its key in the background, a moment after its client has the response.
"""
DIGEST_BYTES = hashlib.sha256().digest_size
NUMBER_CHARACTERS = 32
KEY_REUSED = "This Idempotency-Key was used with another request body."


class Original(NamedTuple):
    """The first request with a key."""

    plan: Plan
    job: Job[Any]
    digest: bytes


class Replay(NamedTuple):
    """A response that another process gave to the same key; empty where there is none."""

    number: str = ""
    """The number of the answer in it."""
    content: bytes = b""

    @classmethod
    def parse(cls, value: bytes) -> "Replay":
        end = DIGEST_BYTES + NUMBER_CHARACTERS
        return cls(value[DIGEST_BYTES:end].decode(errors="replace"), value[end:])


@dataclass(frozen=True, slots=True)
class Idempotency:
    """The idempotency keys that this process and, over a shared cache, the other processes have seen."""

    flights: SingleFlight
    jobs: Jobs
    traces: TraceRegistry
    originals: BoundedCache[tuple[str, str], Original] = field(
        default_factory=lambda: BoundedCache(MAX_ENTRIES, TTL_SECONDS)
    )
    """By tenant and key."""

    def open_attempt(self, plan: Plan, key: str, path: str, *, stream: bool) -> "Attempt":
        """Return the attempt to answer `plan` under its Idempotency-Key.

        The same key at another endpoint, or streamed and not, counts as another request. Raises BadRequest for a key of
        a wrong length.
        """
        if not 0 < len(key) <= MAX_KEY_CHARACTERS:
            raise BadRequest(
                f"Idempotency-Key must be 1 to {MAX_KEY_CHARACTERS} characters long.", param="Idempotency-Key"
            )
        request = [path, stream, type(plan.request).__name__, plan.request.model_dump_json()]
        return Attempt(self, plan, key, digest(request), digest(["replay", plan.caller.tenant, key]).hex())


@dataclass(slots=True)
class Attempt:
    """One request with an Idempotency-Key."""

    idempotency: Idempotency
    plan: Plan
    key: str
    digest: bytes
    """The SHA-256 of the request."""
    name: str
    """The cache key of the recorded response."""
    has_claim: bool = False
    """This process shall answer the key for all processes."""

    def find_original(self) -> Original | None:
        """Return the first request with this key in this process, unless it failed or was cancelled.

        Raises IdempotencyKeyReused where that was another request.
        """
        original = self.idempotency.originals.get(self._local_name)
        if original is None:
            return None
        if original.job.failure or original.job.is_cancelled:
            self.idempotency.originals.discard(self._local_name)
            return None
        if original.digest != self.digest:
            raise IdempotencyKeyReused(KEY_REUSED)
        return original

    def remember(self, job: Job[Any]) -> None:
        """Make `job` the one that duplicates in this process join."""
        self.idempotency.originals.put(self._local_name, Original(self.plan, job, self.digest))

    def look_up(self) -> Job[Replay]:
        """Start a job that waits for the response of another process to this key.

        Its result is empty where this process shall answer. It fails with IdempotencyKeyReused where the key belongs to
        another request. Raises that at once where this process knows the key, and Overloaded.
        """
        log = EventLog[str]()
        if not self.idempotency.flights.cache.shared or self.find_original():
            return Job(log, outcome=Replay())
        return self.idempotency.jobs.start(log, lambda _: self._wait_for_replay())

    def record(self, job: Job[Any], render: Callable[[], Awaitable[bytes]], *, at_once: bool = False) -> None:
        """Store the response for the other processes once `job` has ended.

        `render` builds its bytes, none where it holds a failure. `at_once`: it does not depend on the job's end.
        """
        if self.has_claim:
            self.idempotency.jobs.run_in_background(self._store(job, render, at_once=at_once))

    def abandon(self) -> None:
        """Lets another process answer, where this one failed to start a job."""
        if self.has_claim:
            flights = self.idempotency.flights
            flights.run_in_background(flights.cache.release(self.name))

    @property
    def _local_name(self) -> tuple[str, str]:
        return self.plan.caller.tenant, self.key

    @property
    def _running_name(self) -> str:
        """The cache key of the digest of the request that runs."""
        return f"running:{self.name}"

    async def _wait_for_replay(self) -> Replay:
        flights, loop = self.idempotency.flights, asyncio.get_running_loop()
        first_mismatch: float | None = None

        async def check_running() -> None:
            nonlocal first_mismatch
            running = await flights.cache.get(self._running_name)
            if not running or self._matches(running):
                first_mismatch = None
            elif first_mismatch is None:
                first_mismatch = loop.time()
            elif loop.time() - first_mismatch > MISMATCH_SECONDS:
                raise IdempotencyKeyReused(KEY_REUSED)

        found = await flights.wait(self.name, check_running)
        if found is None:
            self.has_claim = True
            return Replay()
        if not self._matches(found):
            raise IdempotencyKeyReused(KEY_REUSED)
        replay = Replay.parse(found)
        self.idempotency.traces.link(self.plan, replay.number)
        return replay

    def _matches(self, value: bytes) -> bool:
        """Whether a value in the cache belongs to this request."""
        return value[:DIGEST_BYTES] == self.digest

    async def _store(self, job: Job[Any], render: Callable[[], Awaitable[bytes]], *, at_once: bool) -> None:
        flights = self.idempotency.flights
        async with flights.lead(self.name, seconds=TTL_SECONDS) as flight:
            await flights.cache.put(self._running_name, self.digest, seconds=TTL_SECONDS)
            if not at_once:
                await job.wait()
            if (at_once or job.outcome is not None) and (content := await render()):
                number = self.idempotency.traces.find_number(self.plan)
                flight.result = self.digest + number.encode() + content
            else:
                await flights.cache.put(self._running_name, b"", seconds=1)
