import pytest

from cogitate.strategies.answers.units import strip_trailing_unit, strip_units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"5\text{ cm}", "5"),
        (r"5 \mathrm{m/s}", "5"),
        (r"25\text{ cm}^2", "25"),
        (r"25\text{ cm}^{2}", "25"),
        (r"100\text{ square units}.", "100."),
        (r"\frac{1}{2}\text{ cup}", r"\frac{1}{2}"),
        (r"7\pi\text{ m}", r"7\pi"),
        (r"(3\text{ cm}, 5\text{ cm})", "(3, 5)"),
        (r"10 \text{ or } 20", "10  or  20"),
        (r"5\text{ million}", "5 million"),
        (r"4:30 \text{ p.m.}", "4:30pm"),
        (r"4:30 PM", "4:30pm"),
        (r"\text{Yes}", "Yes"),
        (r"x\text{ is even}", "x is even"),
    ],
)
def test_strip_units_removes_units_but_no_other_words(text: str, expected: str) -> None:
    assert strip_units(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("18 dollars per day", "18"),
        ("-18.5 degrees", "-18.5"),
        ("5 cm", "5"),
        ("1,000 people", "1,000"),
        ("2 1/2 cups", "2 1/2"),
        ("18 dollars a day", "18"),
        ("5 million", "5 million"),
        ("5 hours and a half", "5 hours and a half"),
        ("3 m", "3 m"),
        ("2 sin x", "2 sin x"),
        ("3 out of 4", "3 out of 4"),
        ("5 or more", "5 or more"),
        ("dollars 5", "dollars 5"),
        ("5", "5"),
    ],
)
def test_trailing_unit_words_are_removed(text: str, expected: str) -> None:
    assert strip_trailing_unit(text) == expected
