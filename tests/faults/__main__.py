"""`make faults`: the fault list, T1 to T44, against real server processes; prints and writes its table."""

import argparse
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.rows import Row, table

WHERE = ["tests/faults", "tests/sandbox", "tests/clients", "tests/wire"]
RESULTS = Path("deploy/results/faults.md")


@dataclass(slots=True, eq=False)
class Collected:
    """Takes the rows from the reports. A test that fails before its figure is a row too, by its name."""

    rows: list[Row] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told = [value for name, value in report.user_properties if name == "row"]
        if report.when == "call":
            self.rows += told
        if (report.failed and not told) and (named := re.search(r"::test_t(\d+)_(\w+)", report.nodeid)):
            self.rows.append(Row(f"T{named[1]}", named[2].replace("_", " "), "failed", "-", met=False))


def main() -> int:
    parser = argparse.ArgumentParser(prog="make faults ARGS=...", description=__doc__)
    parser.add_argument("--only", default="", help="what pytest's -k takes, such as t18; nothing is written then")
    given, more = parser.parse_known_args()
    began, collected = time.monotonic(), Collected()
    only = ["-k", given.only] if given.only else []
    status = pytest.main([*WHERE, "-q", *only, *more], plugins=[collected])
    minutes = (time.monotonic() - began) / 60
    said = f"{table(collected.rows)}\n\n{len(collected.rows)} figures in {minutes:.1f} minutes."
    print(said)
    if not given.only:
        RESULTS.write_text(f"# The fault list\n\n`make faults`, on 2 cores, in one run.\n\n{said}\n")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
