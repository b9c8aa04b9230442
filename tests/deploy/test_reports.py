"""The table of users' reports is what the code gives now, and no input of it is not met."""

from pathlib import Path

import pytest

from tests.bench.reports.answers import CASES, read_reply, run_answers
from tests.bench.reports.line import KINDS, Line
from tests.bench.reports.other_rows import point_elsewhere, run_clients, run_strategies
from tests.bench.reports.upstreams import run_upstreams

TABLE = Path(__file__).resolve().parents[2] / "deploy" / "results" / "reports.md"


def find_faults(lines: list[Line]) -> list[str]:
    """List the lines that are not met, or that the table does not have."""
    table = TABLE.read_text(encoding="utf-8").splitlines()
    return [line.to_markdown() for line in lines if line.is_met is False or line.to_markdown() not in table]


def test_every_row_is_in_the_table_and_none_is_not_met() -> None:
    rows = [line.split(" | ")[0].removeprefix("| ") for line in TABLE.read_text(encoding="utf-8").splitlines()]
    assert set(KINDS) <= set(rows)
    assert "NOT MET" not in TABLE.read_text(encoding="utf-8")


def test_replies_judges_programs_and_rewards_are_read_as_the_table_says() -> None:
    replies = [read_reply(case) for case in CASES if "reply" in case]
    assert find_faults([*replies, *run_strategies(), *point_elsewhere()]) == []


@pytest.mark.live
def test_clients_are_answered_as_the_table_says() -> None:
    assert find_faults(run_clients()) == []


@pytest.mark.slow
@pytest.mark.alone
def test_votes_and_grades_are_as_the_table_says() -> None:
    assert find_faults(run_answers()) == []


@pytest.mark.slow
@pytest.mark.live
def test_upstreams_are_read_as_the_table_says() -> None:
    assert find_faults(run_upstreams()) == []
