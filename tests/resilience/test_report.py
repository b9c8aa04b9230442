"""The table of `make faults`: order, merging of later runs, rows of failed tests, and selection."""

import argparse
from pathlib import Path

import pytest

from tests.resilience.__main__ import FaultTable, parse_rows
from tests.resilience.report import Bar, Report, Row, table


def test_table_is_in_the_order_of_the_fault_list():
    rows = [Row(f"T{number}", "w", "m", "b", number != 9) for number in (31, 4, 9)]
    lines = table(rows).splitlines()
    assert [line.split()[1] for line in lines[2:]] == ["T4", "T9", "T31"] and "NOT MET" in lines[3]


def test_rows_measured_again_replace_the_previous_ones():
    first = Report([Row("T4", "b", "3 ms", "2 ms", False), Row("T31", "a", "1 ms", "2 ms", True)], {"T31": 9, "T4": 60})
    assert Report.parse(str(first)) == first
    second = Report.parse(str(first)).merge([Row("T4", "b", "1 ms", "2 ms", True)], {"T4": 30})
    head = "2 figures, 0 not met, in 1 minutes.\n\nMeasured again in a later run (`--renew`): T4."
    assert str(second).startswith(head)
    assert Report.parse(str(second)) == second and [row.name for row in second.rows] == ["T4", "T31"]


def test_written_table_is_parsed_completely():
    text = (Path(__file__).parents[2] / "deploy/results/faults.md").read_text()
    report = Report.parse(text)
    assert report.rows and str(report) in text
    assert set(report.seconds) == {row.name for row in report.rows}


def test_table_is_written_after_each_test_with_a_row(tmp_path):
    faults, written = FaultTable(tmp_path / "faults.md", planned=3), []
    for at, test in ((1, "T9"), (2, "T4"), (3, "T4")):
        row = Row(test, "w", f"{at} ms", "2 ms", at < 3)
        properties = [("fault", test), *([("row", row)] if at != 2 else [])]
        for when in ("call", "teardown"):
            outcome = "failed" if when == "call" and at > 1 else "passed"
            node, location = f"tests/resilience/x.py::test_a_b[{at}]", ("tests/resilience/x.py", 1, "test_a_b")
            report = pytest.TestReport(node, location, {}, outcome, None, when, user_properties=properties, duration=at)
            faults.pytest_runtest_logreport(report)
        written.append((tmp_path / "faults.md").read_text())
    assert "1 figures" in written[0] and "Interrupted after 0 of 3" in written[0] and "T9 1." in written[0]
    assert [line.split("|")[2:6] for line in written[2].splitlines() if line.startswith("| T4 ")] == [
        [" a b ", " failed ", " - ", " NOT MET "],
        [" w ", " 3 ms ", " 2 ms ", " NOT MET "],
    ]
    assert "2 not met" in written[2] and "T4 7, T9 2." in written[2]


def test_only_selected_rows_are_replaced_in_the_previous_table():
    previous = Report([Row("T20", "a", "1", "2", True), Row("T30", "b", "1", "2", True)], {"T20": 5, "T30": 5})
    faults = FaultTable(None, previous, frozenset({"T20"}))
    faults.rows = [Row("T20", "a", "0", "2", True), Row("T30", "c", "0", "2", True)]
    faults.seconds.update({"T20": 1, "T30": 1})
    report = Report.parse(str(faults))
    assert [(row.name, row.what, row.measured) for row in report.rows] == [("T20", "a", "0"), ("T30", "b", "1")]
    assert report.seconds == {"T20": 1, "T30": 5} and report.rerun == ["T20"]


@pytest.mark.fault("T9", "T31")
def test_figure_is_recorded_under_a_row_of_the_fault_marker(request):
    node = request.node
    check = Bar(node)
    check("w", "m", "b", True)
    check("w", "m", "b", True, row="T31")
    with pytest.raises(AssertionError, match="NOT MET"):
        check("w", "m", "b", False)
    with pytest.raises(AssertionError, match="T4"):
        check("w", "m", "b", True, row="T4")
    rows = [value for name, value in node.user_properties if name == "row"]
    assert [(row.name, row.met) for row in rows] == [("T9", True), ("T31", True), ("T9", False)]


def test_figure_without_a_fault_marker_is_an_error(request):
    with pytest.raises(AssertionError, match="needs @pytest.mark.fault"):
        Bar(request.node)("w", "m", "b", True)


def test_rows_to_run_are_parsed_from_the_command_line():
    assert parse_rows("t6,T18") == {"T6", "T18"}
    with pytest.raises(argparse.ArgumentTypeError, match="magic"):
        parse_rows("magic")
