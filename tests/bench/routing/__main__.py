"""Measures routing over simulated replicas: python -m tests.bench.routing [--seeds N] > deploy/results/routing.md"""

import argparse
import sys
from collections.abc import Iterator

from tests.bench.report import say, spread
from tests.bench.routing.policies import POLICIES, RoundRobin
from tests.bench.routing.simulated_replica import (
    CACHE_TOKENS,
    PREFILL_TOKENS_PER_SECOND,
    SLOTS,
    STEP_SECONDS,
    STEP_SECONDS_PER_SEQUENCE,
)
from tests.bench.routing.simulation import Figures, simulate
from tests.bench.routing.workloads import FEW_UPSTREAMS, WORKLOADS

MANY_GATEWAYS = 4
TEXT = f"""# Routing by prefixes, compared with round robin and with the former hash

`python -m tests.bench.routing --seeds {{seeds}}`: the load balancer itself, in virtual time, over replicas that are a
model: a prefix cache of {CACHE_TOKENS:,} tokens, {SLOTS} sequences at once and a queue, one prefill at a time with
{PREFILL_TOKENS_PER_SECOND:,.0f} tokens a second, and decode steps of {1000 * STEP_SECONDS:.0f} ms and
{1000 * STEP_SECONDS_PER_SEQUENCE:.1f} ms for each running sequence. These costs are assumed, not measured: the rows
compare policies, over the same requests. Medians over the seeds, with quartiles in parentheses; the first quarter of
the requests fills the caches and is not counted. Every tenth interval of 5 s has three times the arrivals.

- Chats: 1 to 8 turns, after one of four system prompts for each upstream.
- Documents: questions about 40 documents of 4,000 tokens for each upstream, as the chat's first message, or as its
  second one after a common system prompt. The second form is what the former hash, of two messages, is made for.
- Votes: 16 samples of 2,000 tokens of prompt, each a call of its own.

Hit rate: tokens of prompts that were in the replica's cache, those of further samples of a vote among them. p95 in
seconds: of requests until their last sample has ended, and of calls until their first token. Where round robin takes
minutes, it is overloaded: without its cache a replica cannot prefill as fast as requests come. Several gateways share
nothing, and each turn of a chat comes to any of them; for round robin they make no difference.

What the chain loses: samples of a vote spill from a full replica, where the hash kept them together and waiting; and
several gateways know of each other's chats only by rank, as with the hash, but first follow what they saw themselves.
"""
HEAD = """
| upstreams | gateways | workload | routing | hit rate, % | p95 of requests, s | p95 of first tokens, s |
|---|---|---|---|---|---|---|
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.routing", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="runs of each row, at least 2")
    parser.add_argument("--upstreams", type=int, nargs="*", default=(3, 32))
    arguments = parser.parse_args()
    sys.stdout.write(TEXT.format(seeds=arguments.seeds) + HEAD)
    for upstreams in arguments.upstreams:
        for row in measure(upstreams, arguments.seeds):
            say(" | ".join(row))
            sys.stdout.write(f"| {' | '.join(row)} |\n")


def measure(upstreams: int, seeds: int) -> Iterator[tuple[str, ...]]:
    """Yield the rows for so many upstreams, with several gateways too where they are many."""
    for gateways in (1, MANY_GATEWAYS) if upstreams > FEW_UPSTREAMS else (1,):
        for name, workload in WORKLOADS.items():
            for policy, balancer in POLICIES.items():
                if gateways > 1 and balancer is RoundRobin:
                    continue
                runs = [simulate(balancer, workload, upstreams, seed, gateways=gateways) for seed in range(seeds)]
                yield str(upstreams), str(gateways), name, policy, *format_figures(runs)


def format_figures(runs: list[Figures]) -> tuple[str, str, str]:
    return (
        spread([100 * run.hit_rate for run in runs], 1),
        spread([run.p95 for run in runs]),
        spread([run.p95_first_token for run in runs]),
    )


if __name__ == "__main__":
    main()
