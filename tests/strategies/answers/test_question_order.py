import pytest

from cogitate.strategies.answers import canonical, extract
from cogitate.strategies.answers.question_order import asks_for_order


@pytest.mark.parametrize(
    "question",
    [
        "Sort the numbers 3, 1, 2.",
        "List them in ascending order.",
        "Arrange the fractions from least to greatest.",
        "Order the following from smallest to largest: 3, 1, 2.",
        "What are the next three terms of the sequence 1, 2, 4?",
        "Find a and b, respectively.",
    ],
)
def test_question_that_asks_for_an_order(question: str) -> None:
    assert asks_for_order(question)


@pytest.mark.parametrize(
    "question",
    [
        "Find all roots of x^2 - 3x + 2.",
        "List the primes below 10 in any order.",
        "What is the ordered pair (x, y)?",
        "Give both values, separated by commas.",
        "Evaluate by the order of operations: 2 + 3 * 4.",
        "In order to win, how many points are needed?",
        "",
    ],
)
def test_question_that_asks_for_none(question: str) -> None:
    assert not asks_for_order(question)


def test_lists_in_another_order_are_one_answer_only_where_no_order_is_asked_for() -> None:
    assert canonical("1, 2, 3") == canonical("3, 2, 1")
    assert canonical("1, 2, 3", is_ordered=True) != canonical("3, 2, 1", is_ordered=True)
    one, other = (extract(rf"\boxed{{{body}}}", question="Sort 3, 1, 2.") for body in ("1, 2, 3", "3, 2, 1"))
    assert one and other and one.key != other.key
    one, other = (extract(rf"\boxed{{{body}}}", question="Find all roots.") for body in ("1, 2, 3", "3, 2, 1"))
    assert one and other and one.key == other.key
