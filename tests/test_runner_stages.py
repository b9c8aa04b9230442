"""What `make test` runs, and in which order."""

from pathlib import Path

import pytest

from tests.__main__ import ALONE, main, stages, told

HERE = str(Path(__file__))


def marks(stage: list[str]) -> str:
    return stage[stage.index("-m") + 1]


def test_all_tests_are_run_in_two_stages_that_share_none():
    side_by_side, one_at_a_time = stages([])
    assert marks(side_by_side) == f"(not faults) and not {ALONE}" and "-n" in side_by_side
    assert marks(one_at_a_time) == f"(not faults) and {ALONE}" and "-n" not in one_at_a_time


def test_marks_of_ones_own_are_kept_within_each_stage():
    assert [marks(stage) for stage in stages(["-m", "not engine", "-x"])] == [
        f"(not engine) and not {ALONE}",
        f"(not engine) and {ALONE}",
    ]
    assert all(stage[-1] == "-x" for stage in stages(["-m", "not engine", "-x"]))


@pytest.mark.parametrize("named", [HERE, f"{HERE}::test_nothing"])
def test_what_is_named_is_run_in_one_go(named):
    assert stages(["-q", named]) == [["-m", "not faults", "-q", named]]


def test_one_line_says_how_it_ended(tmp_path, capsys):
    module = tmp_path / "test_two.py"
    module.write_text("def test_good(): ...\n\n\ndef test_bad():\n    assert False\n")
    quick = ["-p", "no:schemathesis", "-p", "no:hypothesispytest", "-p", "no:cacheprovider"]
    assert main([str(module), *quick]) == pytest.ExitCode.TESTS_FAILED
    failed, said = capsys.readouterr().out.splitlines()
    assert failed.startswith("FAILED ") and failed.endswith("test_two::test_bad")
    assert said.startswith("2 tests in ") and said.endswith(" 1 failed")


def test_a_run_that_wrote_no_report_tells_nothing(tmp_path):
    assert told(tmp_path / "none.xml") == (0, [])
