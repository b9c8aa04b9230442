"""Selects the replica for a call, retries failed calls, and ejects failing replicas.

Calls with the same affinity key go to the replica whose prefix cache has their prompt. It is selected by rendezvous
hashing, so that a replica that comes or goes moves only its own conversations, and is skipped when it has clearly more
calls in flight than the least loaded one. A call is retried only while none of its response has been passed on, on
another replica, and within a retry budget of a tenth of all calls, so that a failing upstream is not flooded with
retries. A replica that returns to use gets one call at a time until one succeeds.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cogitate.server.engine.remote.config import Timeouts, UpstreamConfig
from cogitate.server.engine.remote.errors import UpstreamBusy, UpstreamDown, UpstreamFailed, UpstreamInterrupted
from cogitate.server.engine.remote.replica import Replica
from cogitate.server.engine.remote.upstream_response import UpstreamRequest, UpstreamResponse

T = TypeVar("T")
MAX_ATTEMPTS = 3
MAX_INTERRUPTIONS = 2
MAX_EXTRA_CALLS = 8
"""Calls that the replica with the affinity may have in flight above twice those of the least loaded one."""


@dataclass(slots=True)
class RetryBudget:
    """Allows one retry for every ten calls. The reserve covers the first failures after a quiet time."""

    ratio: float = 0.1
    """Retries earned by each call."""
    reserve: float = 10.0
    """The largest balance."""
    balance: float = 10.0

    def earn(self) -> None:
        self.balance = min(self.balance + self.ratio, self.reserve)

    def spend(self) -> bool:
        """Take one retry from the balance; returns whether there was one."""
        if self.balance < 1:
            return False
        self.balance -= 1
        return True


@dataclass(slots=True)
class Affinity:
    """The replica that a conversation's calls go to."""

    key: bytes
    replica: Replica


class LoadBalancer:
    """Distributes calls over the replicas of one model, retries failed calls and ejects failing replicas."""

    def __init__(self, upstreams: Sequence[UpstreamConfig], timeouts: Timeouts) -> None:
        self.timeouts = timeouts
        self.replicas = [Replica(upstream, timeouts, self._handle_unhealthy) for upstream in upstreams]
        self.retry_budget = RetryBudget()
        self._probes: dict[Replica, asyncio.Future[None]] = {}

    @property
    def in_flight(self) -> int:
        return sum(replica.in_flight for replica in self.replicas)

    async def close(self) -> None:
        for probe in self._probes.values():
            probe.cancel()
        for replica in self.replicas:
            await replica.transport.aclose()

    def assign(self, key: bytes) -> Affinity:
        """Assign a replica to the calls with this key. Raises UpstreamDown where none is available."""
        return Affinity(key, self._select(key))

    async def open(self, request: UpstreamRequest, affinity: Affinity) -> UpstreamResponse:
        """Send a request; returns its response with status 200, to be read and closed.

        Raises:
            UpstreamFailed, UpstreamBusy, UpstreamDown: also the last retry failed.
            ApiError: the upstream rejects the request, as every replica would.
        """
        return await self._retry(affinity, lambda replica: replica.send(request))

    async def fetch(
        self, request: UpstreamRequest, affinity: Affinity, read: Callable[[UpstreamResponse], Awaitable[T]]
    ) -> T:
        """Send a request and return what `read` makes of its response. Raises as `open` and `read` do.

        Where `read` raises UpstreamFailed it is called again with the response of another replica: it must start anew,
        and pass nothing on before the end.
        """

        async def attempt(replica: Replica) -> T:
            async with await replica.send(request) as response:
                return await read(response)

        return await self._retry(affinity, attempt)

    def deadline(self) -> float:
        """The time of the event loop at which a call that begins now must have ended."""
        return asyncio.get_running_loop().time() + self.timeouts.total

    async def _retry(self, affinity: Affinity, attempt: Callable[[Replica], Awaitable[T]]) -> T:
        if affinity.replica not in self._available():
            affinity.replica = self._select(affinity.key)
        self.retry_budget.earn()
        tried = [affinity.replica]
        while True:
            try:
                return await attempt_despite_interruptions(tried[-1], attempt)
            except (UpstreamFailed, UpstreamBusy) as error:
                other = self._select_other(tried)
                if other is None or len(tried) == MAX_ATTEMPTS or not self.retry_budget.spend():
                    raise self._final_error(error) from error
                tried[-1].retries += 1
                tried.append(other)

    def _final_error(self, error: UpstreamFailed | UpstreamBusy) -> UpstreamFailed | UpstreamBusy | UpstreamDown:
        """UpstreamDown where the call's failure ejected the last replica."""
        return error if self._available() or isinstance(error, UpstreamBusy) else UpstreamDown()

    def _available(self) -> list[Replica]:
        """The replicas that accept calls now; where none does, all that are not ejected."""
        used = [replica for replica in self.replicas if not replica.health.ejected]
        now = asyncio.get_running_loop().time()
        return [replica for replica in used if replica.is_accepting(now)] or used

    def _select(self, key: bytes) -> Replica:
        available = self._available()
        if not available:
            raise UpstreamDown
        if len(available) == 1:
            return available[0]
        limit = 2 * min(replica.in_flight for replica in available) + MAX_EXTRA_CALLS
        ranked = sorted(available, key=lambda replica: rendezvous_weight(key, replica), reverse=True)
        return next(replica for replica in ranked if replica.in_flight <= limit)

    def _select_other(self, tried: Sequence[Replica]) -> Replica | None:
        """The least loaded replica that was not tried yet."""
        untried = [replica for replica in self._available() if replica not in tried]
        return min(untried, key=lambda replica: replica.in_flight, default=None)

    def _handle_unhealthy(self, replica: Replica, no_response: bool) -> None:
        """Eject a replica that keeps failing.

        The last available one is ejected only where it does not respond at all: or one client's requests, to which it
        responds with errors, would end the service for everyone.
        """
        if not replica.health.ejected and (no_response or len(self._available()) > 1):
            replica.health.eject()
            self._probes[replica] = asyncio.ensure_future(self._probe_until_alive(replica))

    async def _probe_until_alive(self, replica: Replica) -> None:
        while True:
            await asyncio.sleep(replica.health.next_probe_delay())
            if await replica.is_alive():
                break
        replica.health.start_trial()
        del self._probes[replica]


async def attempt_despite_interruptions(replica: Replica, attempt: Callable[[Replica], Awaitable[T]]) -> T:
    """Make an attempt, and again while other calls interrupt it: those that began before it was known that they do."""
    for _ in range(MAX_INTERRUPTIONS):
        try:
            return await attempt(replica)
        except UpstreamInterrupted:
            continue
    return await attempt(replica)


def rendezvous_weight(key: bytes, replica: Replica) -> bytes:
    """The weight of a replica for a key: the replica with the highest one gets the key's calls."""
    return hashlib.blake2b(key + replica.config.url.encode(), digest_size=8).digest()
