"""Selects the replica for a call, retries failed calls, and ejects failing replicas.

The calls of one request go to the replica that has its prompt's prefix (`replica_selection`); those that begin while it
is full go to others. A call is retried only while none of its response has been passed on, on another replica, and
within a retry budget of a tenth of all calls, so that a failing upstream is not flooded with retries. A replica that
returns to use gets one call at a time until one succeeds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cogitate.server.engine.remote.config import Timeouts, UpstreamConfig
from cogitate.server.engine.remote.errors import UpstreamBusy, UpstreamDown, UpstreamFailed, UpstreamInterrupted
from cogitate.server.engine.remote.prefix_chain import PrefixChain
from cogitate.server.engine.remote.replica import Replica
from cogitate.server.engine.remote.replica_selection import select_replica
from cogitate.server.engine.remote.upstream_response import UpstreamRequest, UpstreamResponse

T = TypeVar("T")
MAX_ATTEMPTS = 3
MAX_INTERRUPTIONS = 2


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
    """The replica that a request's calls go to, unless it is full."""

    chain: PrefixChain
    replica: Replica


class LoadBalancer:
    """Distributes calls over the replicas of one model, retries failed calls and ejects failing replicas."""

    def __init__(self, upstreams: Sequence[UpstreamConfig], timeouts: Timeouts) -> None:
        self.timeouts = timeouts
        self.replicas: Sequence[Replica] = ()
        self.retry_budget = RetryBudget()
        self._probes: dict[Replica, asyncio.Future[None]] = {}
        self._retired: list[Replica] = []
        """Replicas that get no further calls, and have some in flight."""
        self.update(upstreams)

    @property
    def in_flight(self) -> int:
        return sum(replica.in_flight for replica in (*self.replicas, *self._retired))

    @property
    def sequences(self) -> int:
        """Sequences that the calls in flight decode."""
        return sum(replica.sequences for replica in (*self.replicas, *self._retired))

    def update(self, upstreams: Sequence[UpstreamConfig]) -> None:
        """Use these upstreams from now on.

        The replica of an upstream that was there before stays, with its health and its connections. One whose upstream
        is gone gets no further calls, and ends those in flight.
        """
        former: dict[UpstreamConfig, list[Replica]] = {}
        for replica in self.replicas:
            former.setdefault(replica.config, []).append(replica)
        self.replicas = [
            former[upstream].pop() if former.get(upstream) else Replica(upstream, self.timeouts, self._handle_unhealthy)
            for upstream in upstreams
        ]
        self._retired = [replica for replica in self._retired if replica.in_flight]
        for replica in (each for replicas in former.values() for each in replicas):
            self._retire(replica)

    def _retire(self, replica: Replica) -> None:
        if probe := self._probes.pop(replica, None):
            probe.cancel()
        replica.transport.retire()
        self._retired.append(replica)

    async def close(self) -> None:
        for probe in self._probes.values():
            probe.cancel()
        for replica in (*self.replicas, *self._retired):
            await replica.transport.aclose()

    def assign(self, chain: PrefixChain) -> Affinity:
        """Assign a replica to the calls with this prompt. Raises UpstreamDown where none is available."""
        return Affinity(chain, self._select(chain, self._available()))

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
        self.retry_budget.earn()
        tried = [self._select_for(affinity)]
        while True:
            try:
                return await attempt_despite_interruptions(tried[-1], attempt)
            except (UpstreamFailed, UpstreamBusy) as error:
                other = self._select_other(tried)
                if other is None or len(tried) == MAX_ATTEMPTS or not self.retry_budget.spend():
                    raise self._final_error(error) from error
                tried[-1].retries += 1
                other.prefixes.add(affinity.chain)
                tried.append(other)

    def _final_error(self, error: UpstreamFailed | UpstreamBusy) -> UpstreamFailed | UpstreamBusy | UpstreamDown:
        """UpstreamDown where the call's failure ejected the last replica."""
        return error if self._available() or isinstance(error, UpstreamBusy) else UpstreamDown()

    def _available(self) -> list[Replica]:
        """The replicas that accept calls now; where none does, all that are not ejected."""
        used = [replica for replica in self.replicas if not replica.health.ejected]
        now = asyncio.get_running_loop().time()
        return [replica for replica in used if replica.is_accepting(now)] or used

    def _select_for(self, affinity: Affinity) -> Replica:
        """The replica for one more call: another one, for this call alone, where the request's own one is full."""
        available = self._available()
        replica = self._select(affinity.chain, available, affinity.replica)
        if affinity.replica not in available:
            affinity.replica = replica
        return replica

    def _select(self, chain: PrefixChain, available: Sequence[Replica], current: Replica | None = None) -> Replica:
        if not available:
            raise UpstreamDown
        replica = self.select(chain, available, current if current in available else None)
        if replica is not current:
            replica.prefixes.add(chain)
        return replica

    def select(self, chain: PrefixChain, available: Sequence[Replica], current: Replica | None) -> Replica:
        """Select one of the available replicas. `current`: the one that the request's earlier calls went to."""
        return select_replica(chain, available, current)

    def _select_other(self, tried: Sequence[Replica]) -> Replica | None:
        """The least loaded replica that was not tried yet."""
        untried = [replica for replica in self._available() if replica not in tried]
        return min(untried, key=lambda replica: replica.sequences, default=None)

    def _handle_unhealthy(self, replica: Replica, no_response: bool) -> None:
        """Eject a replica that keeps failing.

        The last available one is ejected only where it does not respond at all: or one client's requests, to which it
        responds with errors, would end the service for everyone.
        """
        is_used = replica in self.replicas and not replica.health.ejected
        if is_used and (no_response or len(self._available()) > 1):
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
