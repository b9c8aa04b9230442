"""Grades of `cogitate eval` are the verdicts of a vote, its prover included."""

import pytest

from cogitate.server.evaluation.datasets import build_question
from cogitate.server.evaluation.equality import are_answers_equal
from cogitate.server.evaluation.multiple_choice import choice_grade
from cogitate.strategies.answers import extract

pytestmark = pytest.mark.slow


def is_right(gold: str, answer: str, question: str = "What is it?") -> bool:
    row = build_question("math:0", {"problem": question, "solution": rf"So it is $\boxed{{{gold}}}$."})
    return row.is_right(extract(rf"\boxed{{{answer}}}", "auto", question))


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        (r"\frac{1}{2}", "0.5"),
        ("9a+11", "11+9a"),
        ("-13x+3", "3-13x"),
        (r"2\sqrt{2}", r"\sqrt{8}"),
        ("1,-2", "-2, 1"),
        ("18", "18 dollars"),
        ("x=5", "5"),
        (r"3\text{ hours}", "180 minutes"),
    ],
)
def test_answer_that_a_vote_takes_for_the_gold_is_right(gold: str, answer: str) -> None:
    assert is_right(gold, answer) and is_right(answer, gold)


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("2024-03-05", "2024-05-03"),
        ("x=3", "y=3"),
        ("3-2", "2-1"),
        ("101_2", "101_3"),
        ("2, 2, 3", "2, 3"),
        (r"3\text{ hours}", "3 minutes"),
        ("10%", "10"),
        (r"2\sqrt{2}", "2.83"),
    ],
)
def test_answer_that_a_vote_does_not_take_for_the_gold_is_wrong(gold: str, answer: str) -> None:
    assert not is_right(gold, answer) and not is_right(answer, gold)


def test_order_of_a_list_counts_only_where_the_question_asks_for_one() -> None:
    assert is_right("1, 2, 3", "3, 2, 1", "Find all solutions.")
    assert not is_right("1, 2, 3", "3, 2, 1", "Sort the numbers 3, 1, 2.")
    assert is_right("1, 2, 3", "[1, 2, 3]", "Sort the numbers 3, 1, 2.")


def test_text_of_a_choice_is_read_by_the_same_equality() -> None:
    grade = choice_grade("A", [r"\frac{1}{2}", "3 hours", "3 minutes"])
    assert grade("0.5") and grade("A") and not grade("3 hours") and not grade("3")
    assert not choice_grade("B", [r"\frac{1}{2}", "3 hours", "3 minutes"])("3")


def test_equality_needs_no_running_event_loop() -> None:
    assert are_answers_equal(r"\sqrt{8}", r"2\sqrt{2}") and not are_answers_equal(r"\sqrt{8}", r"2\sqrt{3}")
