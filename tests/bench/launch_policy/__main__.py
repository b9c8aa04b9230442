"""Compares the launch policy with the fixed width before it: `python -m tests.bench.launch_policy PART [VOTE_BANKS]`.

PART is one of:

- `policy`: n=64, on the stored votes of large models, against the width before;
- `rules`: whether `predictive` keeps the accuracy of `beta`, at n=8 and n=16;
- `upstream`: n=16, over an upstream of lognormal latency;
- `prior`: a prior learned on one half of each bank, on the other half.

All arms are replayed by the code of `cogitate eval`, on the same samples in the same orders. `before` is the fixed
width of 3/8 of n that the policy replaces; `one at a time` draws the next sample when the last one has voted. The
tables are those of deploy/results/launch.md. Minutes for each part, on one core.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.launch_policy.arms import DEFAULT, ONE, ONE_PREDICTIVE, arms_of, measure_all
from tests.bench.launch_policy.prior import prior_rows
from tests.bench.launch_policy.tables import bank_rows, rule_rows, target_rows
from tests.bench.launch_policy.upstream import upstream_rows
from tests.bench.vote_banks import FILE, VoteBank, read_vote_banks


def build_policy(banks: list[VoteBank]) -> Iterator[str]:
    measured = measure_all(banks, 64, arms_of(64))
    yield from target_rows(measured)
    yield ""
    yield from bank_rows(measured)


def build_rules(banks: list[VoteBank]) -> Iterator[str]:
    yield "| n | bank | arm | accuracy over beta one at a time, points | tokens over it | at least -0.3 |"
    yield "|--:|---|---|--:|--:|---|"
    for n in (8, 16):
        measured = measure_all(banks, n, (ONE, ONE_PREDICTIVE, DEFAULT))
        yield from rule_rows(n, measured, (ONE_PREDICTIVE, DEFAULT))


def main(part: str, path: Path) -> None:
    if part == "upstream":
        rows = upstream_rows()
    else:
        builders = {"policy": build_policy, "rules": build_rules, "prior": prior_rows}
        rows = builders[part](read_vote_banks(path))
    for row in rows:
        sys.stdout.write(row + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("policy", "rules", "upstream", "prior"))
    parser.add_argument("vote_banks", type=Path, nargs="?", default=FILE)
    arguments = parser.parse_args()
    main(arguments.part, arguments.vote_banks)
