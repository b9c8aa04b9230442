"""The stages of `make test` and its summary."""

from pathlib import Path

import pytest

from tests.__main__ import SERIAL_MARKS, build_stages, main, read_report

THIS_FILE = str(Path(__file__))


def marks(stage: list[str]) -> str:
    return stage[stage.index("-m") + 1]


def test_all_tests_run_in_two_stages_that_share_none():
    parallel, serial = build_stages([])
    assert marks(parallel) == f"(not faults) and not {SERIAL_MARKS}" and "-n" in parallel
    assert marks(serial) == f"(not faults) and {SERIAL_MARKS}" and "-n" not in serial


def test_marks_argument_applies_to_each_stage():
    stages = build_stages(["-m", "not engine", "-x"])
    assert [marks(stage) for stage in stages] == [
        f"(not engine) and not {SERIAL_MARKS}",
        f"(not engine) and {SERIAL_MARKS}",
    ]
    assert all(stage[-1] == "-x" for stage in stages)


@pytest.mark.parametrize("path", [THIS_FILE, f"{THIS_FILE}::test_nothing"])
def test_paths_run_in_one_stage(path):
    assert build_stages(["-q", path]) == [["-m", "not faults", "-q", path]]


def test_summary_counts_tests_and_names_failures(tmp_path, capsys):
    module = tmp_path / "test_two.py"
    module.write_text("def test_good(): ...\n\n\ndef test_bad():\n    assert False\n")
    quick = ["-p", "no:schemathesis", "-p", "no:hypothesispytest", "-p", "no:cacheprovider"]
    assert main([str(module), *quick]) == pytest.ExitCode.TESTS_FAILED
    failed, summary = capsys.readouterr().out.splitlines()
    assert failed.startswith("FAILED ") and failed.endswith("test_two::test_bad")
    assert summary.startswith("2 tests in ") and summary.endswith(" 1 failed")


def test_missing_report_counts_no_tests(tmp_path):
    assert read_report(tmp_path / "none.xml") == (0, [])
