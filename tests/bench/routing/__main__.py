"""Measures routing: python -m tests.bench.routing [--seeds N]. Prints deploy/results/routing.md."""

import argparse
import sys

from tests.bench.report import say, spread
from tests.bench.routing.policies import POLICIES
from tests.bench.routing.simulation import simulate
from tests.bench.routing.workloads import WORKLOADS

UPSTREAMS = (3, 32)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.routing", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--upstreams", type=int, nargs="*", default=UPSTREAMS)
    arguments = parser.parse_args()
    for upstreams in arguments.upstreams:
        for name, workload in WORKLOADS.items():
            for policy, balancer in POLICIES.items():
                runs = [simulate(balancer, workload, upstreams, seed) for seed in range(arguments.seeds)]
                row = (
                    str(upstreams),
                    name,
                    policy,
                    spread([100 * run.hit_rate for run in runs], 1),
                    spread([run.p95 for run in runs]),
                    spread([run.p95_first_token for run in runs]),
                )
                say(" | ".join(row))
                sys.stdout.write(f"| {' | '.join(row)} |\n")


if __name__ == "__main__":
    main()
