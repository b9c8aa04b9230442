"""`make faults`: the fault list, T1 to T44, against real server processes; prints and writes its table as it goes."""

import argparse
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.resilience.report import Row, Told

WHERE = ["tests/resilience", "tests/server/sandbox", "tests/clients", "tests/fields"]
RESULTS = Path("deploy/results/faults.md")


@dataclass(slots=True, eq=False)
class Collected:
    """Takes the rows from the reports, says how far it is, and writes the table after each test that has a row.

    A test that fails before its figure is a row too, by its name.
    """

    results: Path | None
    before: Told | None = None
    """What was found before of those rows that are not asked now."""
    began: float = field(default_factory=time.monotonic)
    rows: list[Row] = field(default_factory=list)
    seconds: Counter[str] = field(default_factory=Counter)
    """That the tests of a row took."""
    ended: int = 0
    planned: int = 0
    terminal: pytest.TerminalReporter | None = None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Only what is a row, or too long for `make test`, which runs the others."""
        items[:] = [
            item for item in items if "bar" in getattr(item, "fixturenames", ()) or item.get_closest_marker("faults")
        ]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.planned, self.terminal = len(session.items), session.config.pluginmanager.getplugin("terminalreporter")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told: list[Row] = [value for name, value in report.user_properties if name == "row"]
        named = re.search(r"::test_t(\d+)_(\w+)", report.nodeid)
        new = told if report.when == "call" else []
        if report.failed and all(row.met for row in told) and named:
            new = [*new, Row(f"T{named[1]}", named[2].replace("_", " "), "failed", "-", met=False)]
        for name in {row.name for row in told} or ({f"T{named[1]}"} if named else set()):
            self.seconds[name] += report.duration
        self.rows += new
        self.ended += report.when == "teardown"
        self.say(report, new)

    def say(self, report: pytest.TestReport, new: list[Row]) -> None:
        if new:
            self.write()
        if self.terminal is None:
            return
        if new or report.failed or report.duration > 5:
            at = f"{self.minutes:5.1f} min, {self.ended} of {self.planned} done"
            self.terminal.write_line(
                f"{at}: {report.nodeid.partition('::')[2]} {report.outcome}, {report.duration:.1f} s"
            )
        for row in new:
            self.terminal.write_line(str(row))

    def write(self) -> None:
        if self.results:
            self.results.write_text(f"# The fault list\n\n`make faults`, on 2 cores.\n\n{self}\n")

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self.began) / 60

    def __str__(self) -> str:
        if self.before:
            return str(self.before.renewed(self.rows, self.seconds))
        done = "" if self.ended >= self.planned else f"It ended early, after {self.ended} of {self.planned} tests.\n\n"
        return f"{done}{Told(self.rows, dict(self.seconds))}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make faults ARGS=...", description=__doc__)
    parser.add_argument("--only", default="", help="what pytest's -k takes, such as t18; nothing is written then")
    parser.add_argument("--scale", default="1", help="how much of the list's own minutes; less, and nothing is written")
    parser.add_argument(
        "--renew", action="store_true", help="with --only: written, other rows as they were found before"
    )
    given, more = parser.parse_known_args()
    written = given.scale == "1" and (given.renew or not given.only)
    before = Told.by(RESULTS.read_text()) if given.renew else None
    collected = Collected(RESULTS if written else None, before)
    only = ["-k", given.only] if given.only else []
    status = pytest.main([*WHERE, "-q", f"--scale={given.scale}", *only, *more], plugins=[collected])
    collected.write()
    print(collected)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
