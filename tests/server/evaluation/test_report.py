"""The table and the plots."""

from pathlib import Path

from cogitate.server.evaluation.plots import draw_plots
from cogitate.server.evaluation.report import build_rows, to_markdown
from cogitate.server.evaluation.results import Result, overlong_result


def result(arm: str, question: int, correct: bool = True, **more: float) -> Result:
    return Result(arm=arm, question=str(question), correct=correct, answer="1", tokens=10, depth=5, **more)


def test_refused_results_abstain_and_are_in_no_mean_of_costs():
    (row,) = build_rows(
        [result("x", 0), result("x", 1, correct=False), overlong_result("x", "2"), overlong_result("x", "3")], ""
    )
    assert (row.accuracy, row.abstained, row.questions) == (0.25, 0.5, 4)
    assert (row.tokens, row.candidates, row.depth) == (10, 1, (5, 5, 5))
    (none,) = build_rows([overlong_result("x", "0")], "")
    assert (none.accuracy, none.tokens, none.abstained) == (0, 0, 1)


def test_arm_names_are_escaped_in_table_cells():
    (_, _, line) = to_markdown(build_rows([result("best_of_n:pattern=a|b\nc", 0)], "")).splitlines()
    assert line.startswith(r"| `best_of_n:pattern=a\|b\nc` | 100.0 |")


def test_plots_of_extreme_accuracies_and_of_refused_arms(tmp_path: Path):
    results = [result(f"always $a_{n}", at, seconds=0.5) for n in range(1, 30) for at in range(n)]
    for n in range(1, 30):
        table = build_rows([one for one in results if one.arm == f"always $a_{n}"], "")
        table += build_rows([result("never", at, correct=False) for at in range(n)], "")
        if n in (1, 24):
            paths = draw_plots([*table, *build_rows([overlong_result("refused", "0")], "")], tmp_path / "x", "100 $")
            assert [path.name for path in paths] == ["x-tokens.png", "x-tokens.svg", "x-time.png", "x-time.svg"]
        for row in table:
            assert row.low <= row.accuracy <= row.high
    assert draw_plots(build_rows([overlong_result("refused", "0")], ""), tmp_path / "y", "none") == []
