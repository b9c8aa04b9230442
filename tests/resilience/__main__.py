"""`make faults`: runs the fault list (T1 to T44) against real server processes, and prints and writes its table."""

import argparse
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.resilience.report import Report, Row, fault_rows

TEST_PATHS = ["tests/resilience", "tests/server/sandbox", "tests/clients", "tests/fields"]
RESULTS = Path("deploy/results/faults.md")


@dataclass(slots=True, eq=False)
class FaultTable:
    """A pytest plugin: collects rows from test reports, prints progress, and writes the table after each row.

    A test that fails before it measured its figure gets a row too, titled by the test's name.
    """

    results: Path | None
    """The file to write; None: only print."""
    previous: Report | None = None
    """The table in which the rows of `only` are replaced."""
    only: frozenset[str] = frozenset()
    """Rows to run; empty: all."""
    began: float = field(default_factory=time.monotonic)
    rows: list[Row] = field(default_factory=list)
    seconds: Counter[str] = field(default_factory=Counter)
    """Test time per row name."""
    finished: int = 0
    planned: int = 0
    terminal: pytest.TerminalReporter | None = None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Select tests that measure a row and tests too long for `make test`, which runs all others."""
        items[:] = [item for item in items if self.selects(item)]
        for item in items:
            item.user_properties += [("fault", name) for name in fault_rows(item)[:1]]

    def selects(self, item: pytest.Item) -> bool:
        if self.only and self.only.isdisjoint(fault_rows(item)):
            return False
        return "bar" in getattr(item, "fixturenames", ()) or item.get_closest_marker("faults") is not None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.planned, self.terminal = len(session.items), session.config.pluginmanager.getplugin("terminalreporter")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        measured: list[Row] = [value for name, value in report.user_properties if name == "row"]
        marked = [str(value) for name, value in report.user_properties if name == "fault"]
        new = measured if report.when == "call" else []
        if report.failed and all(row.met for row in measured) and marked:
            title = re.sub(r".*::(test_)?|\[.*", "", report.nodeid).replace("_", " ")
            new = [*new, Row(marked[0], title, "failed", "-", met=False)]
        for name in {row.name for row in measured} or set(marked):
            self.seconds[name] += report.duration
        self.rows += new
        self.finished += report.when == "teardown"
        if new:
            self.write()
        self.print_progress(report, new)

    def print_progress(self, report: pytest.TestReport, new: list[Row]) -> None:
        if self.terminal is None:
            return
        if new or report.failed or report.duration > 5:
            minutes = (time.monotonic() - self.began) / 60
            at = f"{minutes:5.1f} min, {self.finished} of {self.planned} done"
            test = report.nodeid.partition("::")[2]
            self.terminal.write_line(f"{at}: {test} {report.outcome}, {report.duration:.1f} s")
        for row in new:
            self.terminal.write_line(str(row))

    def write(self) -> None:
        if self.results:
            self.results.write_text(f"# The fault list\n\n`make faults`, on 2 cores.\n\n{self}\n")

    def __str__(self) -> str:
        if self.previous:
            # A test of several rows measures only a part of those that were not selected.
            rows = [row for row in self.rows if row.name in self.only]
            seconds = {name: spent for name, spent in self.seconds.items() if name in self.only}
            return str(self.previous.merge(rows, seconds))
        complete = self.finished >= self.planned
        early = "" if complete else f"Interrupted after {self.finished} of {self.planned} tests.\n\n"
        return f"{early}{Report(self.rows, dict(self.seconds))}"


def parse_rows(text: str) -> frozenset[str]:
    """Parse `t6,T18`."""
    rows = frozenset(text.upper().replace(",", " ").split())
    if not rows or not all(re.fullmatch(r"T\d+", name) for name in rows):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of rows such as T6,T18")
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make faults ARGS=...", description=__doc__, epilog="Other arguments go to pytest."
    )
    parser.add_argument(
        "--only", type=parse_rows, default=frozenset(), metavar="ROWS", help="rows to run, such as T6,T18; not written"
    )
    parser.add_argument("-k", default="", metavar="EXPRESSION", help="pytest's -k; the table is not written")
    parser.add_argument(
        "--scale", default="1", help="factor on the durations and counts of long tests; other than 1, not written"
    )
    parser.add_argument("--renew", action="store_true", help="with --only: replace these rows in the written table")
    options, pytest_arguments = parser.parse_known_args()
    if options.renew and (options.k or not options.only):
        parser.error("--renew replaces complete rows: name them with --only, without -k")
    written = options.scale == "1" and not options.k and (options.renew or not options.only)
    previous = Report.parse(RESULTS.read_text()) if options.renew else None
    faults = FaultTable(RESULTS if written else None, previous, options.only)
    expression = ["-k", options.k] if options.k else []
    arguments = [*TEST_PATHS, "-q", f"--scale={options.scale}", *expression, *pytest_arguments]
    status = pytest.main(arguments, plugins=[faults])
    faults.write()
    print(faults)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
