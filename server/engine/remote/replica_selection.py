"""Which of the available replicas gets a call: one that has the prompt's prefix, unless it has too much to do.

Where a replica has seen at least half of the prompt, the cheap ones are compared, by the sum of their load and of the
bytes that they have not seen; of these the one with the longest prefix is selected. Where none has seen as much, what
is shared is not worth following (all chats with one short system prompt would go where the first one went), and
rendezvous hashing by the prompt's anchor decides. A replica that has clearly more to do than the least loaded one is
skipped either way.

Equals are ranked by rendezvous hashing, too: so server processes that share nothing select the same replica for most
turns of a chat, and a replica that comes or goes moves only its own conversations. The constants are measured by
`python -m tests.bench.routing` (`deploy/results/routing.md`).
"""

from collections.abc import Callable, Sequence

from cogitate.server.engine.remote.prefix_chain import PrefixChain
from cogitate.server.engine.remote.replica import Replica

MAX_RATIO, MAX_EXTRA_SEQUENCES = 1.5, 16
"""A replica gets no more calls with so many times the sequences of the least loaded one in flight, and so many more."""
MIN_MATCH = 0.5
"""The part of a prompt that must have been seen to be followed."""
BYTES_PER_SEQUENCE = 256
"""A sequence in flight on a replica makes a call as late as the prefill of so many bytes of text."""
HEAD_START = 4
"""Sequences by which a replica may be busier than another one, and still be preferred."""
MASK = 2**64 - 1


def select_replica(chain: PrefixChain, available: Sequence[Replica], current: Replica | None = None) -> Replica:
    """Select the replica for a prompt, out of at least one: `current`, one of them, unless that is full."""
    limit = MAX_RATIO * min(replica.sequences for replica in available) + MAX_EXTRA_SEQUENCES
    if current is not None and current.sequences <= limit:
        return current
    replicas = [replica for replica in available if replica.sequences <= limit]
    if len(replicas) == 1:
        return replicas[0]
    matches = [replica.prefixes.match(chain) for replica in replicas]
    if max(matches) < MIN_MATCH * chain.size:
        return select_cold(chain, replicas)
    return select_warm(chain, replicas, matches)


def select_cold(chain: PrefixChain, replicas: Sequence[Replica]) -> Replica:
    """Select the first by rank, or the second one where that has clearly less to do. There are two at least."""
    first = max(replicas, key=rank_by(chain.anchor))
    second = max((replica for replica in replicas if replica is not first), key=rank_by(chain.anchor))
    return second if second.sequences + HEAD_START < first.sequences else first


def select_warm(chain: PrefixChain, replicas: Sequence[Replica], matches: Sequence[int]) -> Replica:
    """Select the one that has seen most, of those that are nearly as cheap as the cheapest one."""
    costs = [each.sequences * BYTES_PER_SEQUENCE - match for each, match in zip(replicas, matches, strict=True)]
    limit = min(costs) + HEAD_START * BYTES_PER_SEQUENCE
    rank = rank_by(chain.opening)
    cheap = [
        (match, rank(each), each) for each, match, cost in zip(replicas, matches, costs, strict=True) if cost <= limit
    ]
    return max(cheap, key=lambda entry: entry[:2])[2]


def rank_by(key: bytes) -> Callable[[Replica], int]:
    """Return the function that weighs replicas for a key, the same in every process: rendezvous hashing."""
    number = int.from_bytes(key[:8])

    def weigh(replica: Replica) -> int:
        mixed = (number ^ replica.hash) * 0x9E3779B97F4A7C15 & MASK
        return (mixed ^ mixed >> 32) * 0xD6E8FEB86659FD93 & MASK

    return weigh
