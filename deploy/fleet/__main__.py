"""Simulates fleets of 10, 100 and 1,000 GPUs: python -m deploy.fleet [--seeds N] > deploy/results/scale.md"""

import argparse
import statistics
import sys

from deploy.fleet.costs import REQUEST_ROW, RESULT_FILE, SAMPLE_ROW, EngineCosts
from deploy.fleet.report import Figures, count_gateways, read_costs, simulate

SIZES = {10: (120.0, 5), 100: (60.0, 5), 1000: (40.0, 2)}
"""GPUs -> simulated seconds, and most seeds: more GPUs have more requests."""
ENGINE = EngineCosts()
TEXT = f"""# Fleets of GPUs behind gateways, simulated

`python -m deploy.fleet`: a discrete-event simulation (`deploy/fleet`). Gateways: the measured processor time of
`deploy/results/{RESULT_FILE}`, rows "{SAMPLE_ROW}" and
"{REQUEST_ROW}", and of the selection of a replica, which this command measures.
GPUs: assumed, since nothing in deploy/results is measured on one: {ENGINE.slots:.0f} sequences at once,
{ENGINE.prefill_tokens_per_second:,.0f} tokens a second of prefill, steps of {1000 * ENGINE.step:.0f} ms and
{1000 * ENGINE.step_per_sequence:.1f} ms a sequence.

Requests: 1 to 64 samples, half of the votes with a stop rule, prompts of 1,150 tokens, answers of 250 (median), three
times as many arrivals in one of ten intervals of 2 s. A hundredth of the GPUs, one at least, fails on the way. Medians
over the seeds, with the lowest and the highest. p95 in seconds; wasted: tokens of aborted and lost samples.

"""
COLUMNS = (
    "GPUs",
    "requests/s",
    "gateways",
    "selection, ms",
    "goodput, tokens/s and GPU",
    "p95",
    "p95 of n=1",
    "wasted, %",
    "prefix hits, %",
    "gateways busy, %",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.fleet", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="at most, for each row")
    parser.add_argument("--gpus", type=int, nargs="*", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--rate", type=float, default=0.6, help="requests a second and GPU, outside of bursts")
    arguments = parser.parse_args()
    sys.stdout.write(f"{TEXT}| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n")
    for gpus in arguments.gpus:
        costs, (seconds, seeds) = read_costs(gpus), SIZES[gpus]
        needed = count_gateways(gpus, arguments.rate, costs)
        for gateways in sorted({needed, max(1, needed // 3)}, reverse=True):
            runs = [
                simulate(gpus, gateways, costs, rate=arguments.rate, seconds=seconds, seed=seed)
                for seed in range(min(seeds, arguments.seeds))
            ]
            cells = [str(gpus), f"{gpus * arguments.rate:g}", str(gateways), f"{1000 * costs.selection:.2f}"]
            sys.stdout.write(f"| {' | '.join([*cells, *format_figures(runs)])} |\n")
            sys.stdout.flush()


def format_figures(runs: list[Figures]) -> list[str]:
    return [
        spread([run.goodput for run in runs], 0),
        spread([run.p95 for run in runs]),
        spread([run.p95_of_one for run in runs]),
        spread([100 * run.wasted for run in runs], 1),
        spread([100 * run.hits for run in runs], 1),
        spread([100 * run.utilisation for run in runs], 0),
    ]


def spread(values: list[float], digits: int = 2) -> str:
    """Format the median, and the lowest and the highest value."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
