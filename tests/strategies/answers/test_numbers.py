from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.answers.numbers import find_last_number, normalize_literal, parse_first_number, to_decimal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("18", "18"),
        ("18.0", "18"),
        ("18.50", "18.5"),
        ("+5", "5"),
        ("-5", "-5"),
        ("-0", "0"),
        ("-0.00", "0"),
        ("007", "7"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1e3", "1000"),
        ("1.5e-3", "0.0015"),
        ("1e400", None),
        ("1,000", None),
        ("1.2.3", None),
        (".", None),
        ("-", None),
        ("", None),
        ("٣", None),
        ("x", None),
    ],
)
def test_decimal_literal_has_one_canonical_spelling(text: str, expected: str | None) -> None:
    assert normalize_literal(text) == expected


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_canonical_spelling_preserves_the_value(number: Decimal) -> None:
    spelled = normalize_literal(format(number, "f"))
    assert spelled is not None
    assert to_decimal(spelled) == number
    assert normalize_literal(spelled) == spelled


@pytest.mark.parametrize("key", ["10%", "x", "1, 2", r"\frac{1}{2}", "", "1e400", "NaN", "Infinity", "1_000", "٣"])
def test_non_numeric_keys_have_no_decimal_value(key: str) -> None:
    assert to_decimal(key) is None


def test_integers_of_five_thousand_digits_do_not_raise() -> None:
    digits = "9" * 5_000
    assert normalize_literal(digits) == digits
    assert to_decimal(digits) == Decimal(digits)
    assert parse_first_number(digits) == digits
    assert find_last_number(digits) == digits


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("so 18.", "18"),
        ("18 then 1,234.50 dollars", "1,234.50"),
        ("1,2", "2"),
        ("1,2345", "2345"),
        ("3-5", "5"),
        ("it fell to -5", "-5"),
        ("- 5", "- 5"),
        ("the chance is 1/2", "1/2"),
        ("the chance is 2 1/2", "2 1/2"),
        (r"the chance is \frac{1}{2}.", r"\frac{1}{2}"),
        ("in 25 m^2", "25"),
        ("in 25 s^{-2}", "25"),
        ("18 x2 and H2O", "18"),
        ("25%", "25%"),
        ("<<16-3=13>>13", "13"),
        ("version 1.2.3", "1.2"),
        ("on 3/4/2020", "4/2020"),
        ("none", None),
    ],
)
def test_last_number_is_returned_as_written(text: str, expected: str | None) -> None:
    assert find_last_number(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("18 dollars per day", "18"),
        ("$18", "18"),
        ("1,234", "1234"),
        ("3 + 4 = 7", "7"),
        ("7 = x", "7"),
        ("1/2", "0.5"),
        ("2/3", "0." + "6" * 49 + "7"),
        ("-1/4", "-0.25"),
        ("12 3/5", "12.6"),
        (r"12\frac{3}{5}", "12.6"),
        (r"-12\frac{3}{5}", "-12.6"),
        (r"3 \times 10^{8}", "300000000"),
        (r"3 \cdot 10^-2", "0.03"),
        ("10^3", "1000"),
        ("5 million", "5000000"),
        ("-1.8 Billion", "-1800000000"),
        ("1e3", "1000"),
        ("10%", "10"),
        ("1/0", None),
        ("0/0", None),
        ("none", None),
    ],
)
def test_first_number_becomes_a_plain_decimal(text: str, expected: str | None) -> None:
    assert parse_first_number(text) == expected
