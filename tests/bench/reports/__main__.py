"""Runs every row of the reports: `python -m tests.bench.reports [FILE]`. Exits with the number of inputs not met."""

import sys
from pathlib import Path

from tests.bench.reports.answers import run_answers
from tests.bench.reports.gym_rows import run_gym
from tests.bench.reports.line import KINDS, Line, build_total
from tests.bench.reports.other_rows import point_elsewhere, run_clients, run_strategies
from tests.bench.reports.upstreams import run_upstreams

FILE = Path("deploy/results/reports.md")
HEAD = """# What public bug reports show, on this code

Each row stands for a kind that users reported (X: answers, U: upstreams, C: clients, S: strategies, W: reward models)
or that was found in the libraries under this server (D). Every input runs in process: answers are read, voted on with
the real prover (three candidates against one, which is the likelier) and graded by the evaluation's functions;
upstreams are scripted, under the complete server, in all modes that the row concerns; clients ask the server over a
scripted engine; reasoning-gym 0.1.25 is the real package. "either": both verdicts are right. Written by
`python -m tests.bench.reports`; `tests/deploy/test_reports.py` compares it with what the code gives.
"""


def run_rows() -> list[Line]:
    lines = [*run_answers(), *run_upstreams(), *run_clients(), *run_strategies(), *point_elsewhere(), *run_gym()]
    order = list(KINDS)
    return sorted(lines, key=lambda line: order.index(line.row))


def main(file: Path) -> int:
    lines = run_rows()
    head = "| row | kind | input | right | now | |\n|---|---|---|---|---|---|"
    file.write_text("\n".join([HEAD, build_total(lines) + "\n", head, *(line.to_markdown() for line in lines), ""]))
    unmet = [line for line in lines if line.is_met is False]
    sys.stdout.write("".join(f"{line.to_markdown()}\n" for line in unmet) + build_total(lines) + "\n")
    return len(unmet)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE))
