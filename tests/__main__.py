"""`make test`: runs in parallel the tests that mostly wait, then one by one those that need the machine to themselves.

Arguments are pytest's. `-m` replaces the default 'not faults'; paths are run in a single stage.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import pytest

SERIAL_MARKS = "(alone or engine)"
PROCESSES = 3
"""Of the parallel stage: its tests wait for servers, timers and rejections more than they compute."""


def build_stages(arguments: Sequence[str]) -> list[list[str]]:
    """Return the arguments of each run of pytest."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-m", dest="marks", default="not faults")
    options, remaining = parser.parse_known_args(arguments)
    if any(Path(word.split("::")[0]).exists() for word in remaining):
        return [["-m", options.marks, *remaining]]
    parallel = ["-n", str(PROCESSES), "--dist", "loadfile", "-m", f"({options.marks}) and not {SERIAL_MARKS}"]
    return [[*parallel, *remaining], ["-m", f"({options.marks}) and {SERIAL_MARKS}", *remaining]]


def read_report(report: Path) -> tuple[int, list[str]]:
    """Return the number of tests in a JUnit report and a line per failure; (0, []) for a missing report."""
    if not report.exists():
        return 0, []
    cases = list(ElementTree.parse(report).iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    return len(cases), [f"FAILED {case.get('classname')}::{case.get('name')}" for case in failed]


def main(arguments: Sequence[str]) -> int:
    """Run all stages; returns the exit status of the last stage that failed, otherwise 0."""
    began, worst, count, failed = time.monotonic(), 0, 0, []
    with TemporaryDirectory() as folder:
        for number, stage in enumerate(build_stages(arguments)):
            report = Path(folder, f"{number}.xml")
            status = subprocess.run([sys.executable, "-m", "pytest", f"--junit-xml={report}", *stage]).returncode
            stage_count, stage_failed = read_report(report)
            count, failed = count + stage_count, failed + stage_failed
            if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
                worst = status
                if "-x" in stage or not stage_count:
                    break
    print("\n".join([*failed, f"{count} tests in {(time.monotonic() - began) / 60:.1f} minutes, {len(failed)} failed"]))
    return worst if count else worst or int(pytest.ExitCode.NO_TESTS_COLLECTED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
