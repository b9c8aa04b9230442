"""From results to a table and plots."""

from pathlib import Path

from cogitate.server.evaluation.plots import draw
from cogitate.server.evaluation.report import markdown, rows
from cogitate.server.evaluation.results import Result, refused


def result(arm: str, question: int, correct: bool = True, **more: float) -> Result:
    return Result(arm=arm, question=str(question), correct=correct, answer="1", tokens=10, depth=5, **more)


def test_what_was_refused_is_an_abstention_and_costs_nothing_that_is_known():
    (row,) = rows([result("x", 0), result("x", 1, correct=False), refused("x", "2"), refused("x", "3")], "")
    assert (row.accuracy, row.abstained, row.questions) == (0.25, 0.5, 4)
    assert (row.tokens, row.candidates, row.depth) == (10, 1, (5, 5, 5))
    (none,) = rows([refused("x", "0")], "")
    assert (none.accuracy, none.tokens, none.abstained) == (0, 0, 1)


def test_a_name_does_not_break_the_table():
    (_, _, line) = markdown(rows([result("best_of_n:pattern=a|b\nc", 0)], "")).splitlines()
    assert line.startswith(r"| `best_of_n:pattern=a\|b\nc` | 100.0 |")


def test_plots_of_whoever_is_always_right_or_never_or_was_refused(tmp_path: Path):
    results = [result(f"always $a_{n}", at, seconds=0.5) for n in range(1, 30) for at in range(n)]
    for n in range(1, 30):
        table = rows([one for one in results if one.arm == f"always $a_{n}"], "")
        table += rows([result("never", at, correct=False) for at in range(n)], "")
        if n in (1, 24):
            paths = draw([*table, *rows([refused("refused", "0")], "")], tmp_path / "x", "100 $")
            assert [path.name for path in paths] == ["x-tokens.png", "x-tokens.svg", "x-time.png", "x-time.svg"]
        for row in table:
            assert row.low <= row.accuracy <= row.high
    assert draw(rows([refused("refused", "0")], ""), tmp_path / "y", "none") == []
