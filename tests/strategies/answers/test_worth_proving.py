import pytest

from cogitate.strategies.answers import is_worth_proving


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (r"\frac{1}{2}", "0.5"),
        ("x+y", "y+x"),
        ("4a-2", "2(2a-1)"),
        (r"\sqrt{8}", r"2\sqrt{2}"),
        ("x", "2x"),
        ("(1, 2)", r"(1, \frac{4}{2})"),
    ],
)
def test_expressions_that_may_be_equal_are_worth_proving(a: str, b: str) -> None:
    assert is_worth_proving(a, b)
    assert is_worth_proving(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("3", "4"),
        ("3", "3"),
        ("A", "B"),
        ("A", "3"),
        ("yes", "no"),
        ("paris", "3"),
        ("sin x", "3"),
        ("10%", "0.1"),
        ("10%", "10"),
        ("", "3"),
        ("1+" * 100 + "1", "101"),
    ],
)
def test_keys_that_cannot_be_equal_are_not_worth_proving(a: str, b: str) -> None:
    assert not is_worth_proving(a, b)
    assert not is_worth_proving(b, a)
