"""`make test`: first what mostly waits, side by side; then the real engine and what times the machine, one at a time.

Takes pytest's arguments. A `-m` of one's own takes the place of 'not faults'; paths that are named are run in one go.
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

ALONE = "(alone or engine)"
AT_ONCE = 3
"""Processes of the first stage: its tests wait for each other's servers, timers and refusals more than they compute."""


def stages(arguments: Sequence[str]) -> list[list[str]]:
    """The arguments of each run of pytest."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-m", dest="marks", default="not faults")
    given, more = parser.parse_known_args(arguments)
    if any(Path(word.split("::")[0]).exists() for word in more):
        return [["-m", given.marks, *more]]
    side_by_side = ["-n", str(AT_ONCE), "--dist", "loadfile", "-m", f"({given.marks}) and not {ALONE}"]
    return [[*side_by_side, *more], ["-m", f"({given.marks}) and {ALONE}", *more]]


def told(report: Path) -> tuple[int, list[str]]:
    """How many tests a run's JUnit report tells of, and which of them failed; of a run that wrote none, nothing."""
    if not report.exists():
        return 0, []
    cases = list(ElementTree.parse(report).iter("testcase"))
    bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    return len(cases), [f"FAILED {case.get('classname')}::{case.get('name')}" for case in bad]


def main(arguments: Sequence[str]) -> int:
    began, worst, count, failed = time.monotonic(), 0, 0, []
    with TemporaryDirectory() as folder:
        for number, stage in enumerate(stages(arguments)):
            report = Path(folder, f"{number}.xml")
            status = subprocess.run([sys.executable, "-m", "pytest", f"--junit-xml={report}", *stage]).returncode
            some, bad = told(report)
            count, failed = count + some, failed + bad
            if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
                worst = status
                if "-x" in stage or not some:
                    break
    print("\n".join([*failed, f"{count} tests in {(time.monotonic() - began) / 60:.1f} minutes, {len(failed)} failed"]))
    return worst if count else worst or int(pytest.ExitCode.NO_TESTS_COLLECTED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
