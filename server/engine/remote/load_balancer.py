"""Which replica is asked, what is tried again, and what becomes of the sick.

A conversation has a home: the replica whose cache holds its prompt. It is found by rendezvous hashing, so that a
replica's coming and going moves only its own conversations, and passed over when it carries clearly more than the least
loaded. Tried again is only what nobody has heard anything of yet, on another replica, and within a budget: at most a
tenth of all calls, so that a failing upstream is not drowned in repeats. One that comes back is tried with one call.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cogitate.server.engine.remote.config import Patience, Upstream
from cogitate.server.engine.remote.errors import Down, Lost, Throttled
from cogitate.server.engine.remote.replica import Ask, Replica
from cogitate.server.engine.remote.reply import Reply

T = TypeVar("T")
ATTEMPTS = 3
SLACK = 8
"""Calls that a home may carry above twice the least loaded replica's."""


@dataclass(slots=True)
class RetryBudget:
    """Each call earns a tenth of a retry. The reserve is for the first failures after a quiet time."""

    share: float = 0.1
    reserve: float = 10.0
    left: float = 10.0

    def earn(self) -> None:
        self.left = min(self.left + self.share, self.reserve)

    def spend(self) -> bool:
        if self.left < 1:
            return False
        self.left -= 1
        return True


@dataclass(slots=True)
class Home:
    """Where a conversation's calls go."""

    key: bytes
    replica: Replica


class Replicas:
    def __init__(self, upstreams: Sequence[Upstream], patience: Patience) -> None:
        self.patience = patience
        self.all = [Replica(upstream, patience, self._sick) for upstream in upstreams]
        self.retries = RetryBudget()
        self._probes: dict[Replica, asyncio.Future[None]] = {}

    @property
    def in_flight(self) -> int:
        return sum(replica.in_flight for replica in self.all)

    async def close(self) -> None:
        for probe in self._probes.values():
            probe.cancel()
        for replica in self.all:
            await replica.transport.aclose()

    def home(self, key: bytes) -> Home:
        """Raises Down when no replica is to be had."""
        return Home(key, self._chosen(key))

    async def open(self, ask: Ask, home: Home) -> Reply:
        """An answer that has begun. Raises Lost, Throttled or Down, or an ApiError that no replica would change."""
        return await self._tried(home, lambda replica: replica.send(ask))

    async def answer(self, ask: Ask, home: Home, read: Callable[[Reply], Awaitable[T]]) -> T:
        """What is read of a whole answer. Raises as `open` and `read` do.

        Where it raises Lost, it reads another replica's: it must begin anew, and tell nobody before its end.
        """

        async def attempted(replica: Replica) -> T:
            async with await replica.send(ask) as reply:
                return await read(reply)

        return await self._tried(home, attempted)

    async def _tried(self, home: Home, attempt: Callable[[Replica], Awaitable[T]]) -> T:
        if home.replica not in self._able():
            home.replica = self._chosen(home.key)
        self.retries.earn()
        replica, tried = home.replica, [home.replica]
        while True:
            try:
                return await attempt(replica)
            except (Lost, Throttled) as failure:
                another = self._another(tried)
                if another is None or len(tried) == ATTEMPTS or not self.retries.spend():
                    raise self._told(failure) from failure
                replica = another
                tried.append(another)

    def until(self) -> float:
        """When a call that begins now must have ended."""
        return asyncio.get_running_loop().time() + self.patience.total

    def _told(self, failure: Lost | Throttled) -> Lost | Throttled | Down:
        """Where the last replica has just been given up, that there is none is what is wrong."""
        return failure if self._able() or isinstance(failure, Throttled) else Down()

    def _able(self) -> list[Replica]:
        """Those that are in use; of these, where there are any, those that take calls now."""
        used = [replica for replica in self.all if not replica.health.ejected]
        now = asyncio.get_running_loop().time()
        return [replica for replica in used if replica.takes(now)] or used

    def _chosen(self, key: bytes) -> Replica:
        able = self._able()
        if not able:
            raise Down
        if len(able) == 1:
            return able[0]
        most = 2 * min(replica.in_flight for replica in able) + SLACK
        ranked = sorted(able, key=lambda replica: weight(key, replica), reverse=True)
        return next(replica for replica in ranked if replica.in_flight <= most)

    def _another(self, tried: Sequence[Replica]) -> Replica | None:
        rest = [replica for replica in self._able() if replica not in tried]
        return min(rest, key=lambda replica: replica.in_flight, default=None)

    def _sick(self, replica: Replica, silent: bool) -> None:
        """Ejects it. The last one that answers at all is kept: bad requests alone cannot end the service."""
        if not replica.health.ejected and (silent or len(self._able()) > 1):
            replica.health.eject()
            self._probes[replica] = asyncio.ensure_future(self._probed(replica))

    async def _probed(self, replica: Replica) -> None:
        """Until it answers again."""
        while True:
            await asyncio.sleep(replica.health.next_pause())
            if await replica.alive():
                break
        replica.health.restore()
        del self._probes[replica]


def weight(key: bytes, replica: Replica) -> bytes:
    return hashlib.blake2b(key + replica.upstream.url.encode(), digest_size=8).digest()
