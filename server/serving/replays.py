"""An Idempotency-Key over several processes: who repeats a request at another one gets what was said, byte for byte.

Two values of the key stand in the cache: what was asked, as long as it may run, and what was said in the end. Failures
are not kept: the next try is a new one. Where Redis does not serve, each process goes by its own `Repeats`.
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from cogitate.server.errors import KeyReused
from cogitate.server.planning.plan import Plan
from cogitate.server.serving.jobs import Job
from cogitate.server.serving.repeats import REUSED, SECONDS, fingerprint
from cogitate.server.serving.single_flight import Flights

DIGEST = hashlib.sha256().digest_size
NUMBER = 32
"""Letters of an answer's number."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """A request that came with a key."""

    name: str
    """The key's, and its tenant's."""
    digest: bytes
    """Tells one request from another."""

    @classmethod
    def of(cls, plan: Plan, key: str, path: str, *, stream: bool) -> "Repeat":
        name = hashlib.sha256(orjson.dumps(["replay", plan.caller.tenant, key])).hexdigest()
        way = f"{path} {stream} ".encode()
        return cls(name, hashlib.sha256(way + fingerprint(plan.request)).digest())

    @property
    def begun(self) -> str:
        """Under this name stands what is asked, before it is answered."""
        return f"{self.name}:asked"

    def check(self, found: bytes) -> None:
        """Raises KeyReused where it is another request's."""
        if found[:DIGEST] != self.digest:
            raise KeyReused(REUSED)


class Replay(NamedTuple):
    """What was said to a key, and the number of the answer that this tells."""

    number: str
    said: bytes

    @classmethod
    def of(cls, found: bytes) -> "Replay":
        begin = DIGEST + NUMBER
        return cls(found[DIGEST:begin].decode(errors="replace"), found[begin:])


@dataclass(frozen=True, slots=True)
class Replays:
    flights: Flights

    async def find(self, repeat: Repeat) -> Replay:
        """What another process said, waited for; nothing: it is this one's to answer, by `beginning` and `keep`."""

        async def same() -> None:
            if asked := await self.flights.cache.get(repeat.begun):
                repeat.check(asked)

        found = await self.flights.waited(repeat.name, same)
        if found is not None:
            repeat.check(found)
        return Replay.of(found or b"")

    def keep(self, repeat: Repeat, number: str, job: Job[Any], said: Callable[[], Awaitable[bytes]]) -> None:
        """For the others, once the job has ended."""
        self.flights.aside(self._kept(repeat, number, job, said))

    @asynccontextmanager
    async def beginning(self, repeat: Repeat | None) -> AsyncIterator[None]:
        """Where this process does not come to answer it after all, another may."""
        try:
            yield
        except BaseException:
            if repeat:
                self.flights.aside(self.flights.cache.release(repeat.name))
            raise

    async def _kept(self, repeat: Repeat, number: str, job: Job[Any], said: Callable[[], Awaitable[bytes]]) -> None:
        async with self.flights.held(repeat.name, seconds=SECONDS) as flight:
            await self.flights.cache.put(repeat.begun, repeat.digest, seconds=SECONDS)
            await job.finished()
            if job.outcome is not None and (whole := await said()):
                flight.made = repeat.digest + number.encode() + whole
            else:
                await self.flights.cache.put(repeat.begun, b"", seconds=1)
