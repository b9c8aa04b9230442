"""Which of the available replicas gets a call: one that has the prompt's prefix, unless it has too much to do.

Where a replica has seen at least half of the prompt, the cheapest one is selected: the least sum of its load and of the
bytes that it has not seen. Where none has, what is shared is not worth following: all chats with one system prompt
would go where the first one went. Then the less loaded of two is selected, which rendezvous hashing ranks first by the
opening of the conversation. So server processes that share nothing have the same two in mind, also for later turns,
and a replica that comes or goes moves only its own conversations. A replica that has clearly more to do than the least
loaded one is skipped either way.

The constants are measured by `python -m tests.bench.routing` (`deploy/results/routing.md`).
"""

import hashlib
from collections.abc import Sequence

from cogitate.server.engine.remote.prefix_chain import PrefixChain
from cogitate.server.engine.remote.replica import Replica

MAX_RATIO, MAX_EXTRA_SEQUENCES = 1.5, 16
"""A replica gets no more calls with so many times the sequences of the least loaded one in flight, and so many more."""
MIN_MATCH = 0.5
"""The part of a prompt that must have been seen to be followed."""
BYTES_PER_SEQUENCE = 256
"""A sequence in flight on a replica makes a call as late as the prefill of so many bytes of text."""
CHOICES = 2


def select_replica(chain: PrefixChain, available: Sequence[Replica], current: Replica | None = None) -> Replica:
    """Select the replica for a prompt, out of at least one: `current`, where that is available and not full."""
    limit = MAX_RATIO * min(replica.sequences for replica in available) + MAX_EXTRA_SEQUENCES
    if current is not None and current in available and current.sequences <= limit:
        return current
    replicas = [replica for replica in available if replica.sequences <= limit]
    if len(replicas) == 1:
        return replicas[0]
    matches = [replica.prefixes.match(chain) for replica in replicas]
    if max(matches) < MIN_MATCH * chain.size:
        return min(rank(chain.opening, replicas)[:CHOICES], key=lambda replica: replica.sequences)
    costs = [each.sequences * BYTES_PER_SEQUENCE - match for each, match in zip(replicas, matches, strict=True)]
    least = min(costs)
    cheapest = [replica for replica, cost in zip(replicas, costs, strict=True) if cost == least]
    return cheapest[0] if len(cheapest) == 1 else rank(chain.opening, cheapest)[0]


def rank(key: bytes, replicas: Sequence[Replica]) -> list[Replica]:
    """Sort replicas by their rendezvous weight for a key, highest first."""
    return sorted(replicas, key=lambda replica: rendezvous_weight(key, replica), reverse=True)


def rendezvous_weight(key: bytes, replica: Replica) -> bytes:
    return hashlib.blake2b(key + replica.name.encode(), digest_size=8).digest()
