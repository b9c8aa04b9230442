"""The load balancer, and what it is compared with: round robin, and the hash of the first two messages."""

import hashlib
import itertools
from collections.abc import Mapping, Sequence

from cogitate.server.engine.remote import Timeouts, UpstreamConfig
from cogitate.server.engine.remote.load_balancer import LoadBalancer
from cogitate.server.engine.remote.prefix_chain import PrefixChain
from cogitate.server.engine.remote.replica import Replica

MAX_EXTRA_CALLS = 8
"""Of the former hash: calls in flight of a replica above twice those of the least loaded one."""


class RoundRobin(LoadBalancer):
    """Each call goes to the next replica."""

    def __init__(self, upstreams: Sequence[UpstreamConfig], timeouts: Timeouts) -> None:
        super().__init__(upstreams, timeouts)
        self._numbers = itertools.count()

    def select(self, chain: PrefixChain, available: Sequence[Replica], current: Replica | None) -> Replica:
        return available[next(self._numbers) % len(available)]


class TwoMessageHash(LoadBalancer):
    """All calls of a request go where rendezvous hashing sends its first two messages, within a bound of calls."""

    def select(self, chain: PrefixChain, available: Sequence[Replica], current: Replica | None) -> Replica:
        if current is not None:
            return current
        limit = 2 * min(replica.in_flight for replica in available) + MAX_EXTRA_CALLS
        replicas = [replica for replica in available if replica.in_flight <= limit]
        return max(replicas, key=lambda replica: weight(chain.opening + replica.config.url.encode()))


def weight(key: bytes) -> bytes:
    return hashlib.blake2b(key, digest_size=8).digest()


POLICIES: Mapping[str, type[LoadBalancer]] = {
    "round robin": RoundRobin,
    "hash of two messages": TwoMessageHash,
    "chain of prefixes": LoadBalancer,
}
