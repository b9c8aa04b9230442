import pytest

from cogitate.strategies.answers.units import is_plain_unit, may_be_one, parse_unit


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("dollars", "dollar"),
        ("cm", "cm"),
        ("centimeters", "cm"),
        ("square centimeters", "cm^2"),
        ("sq. cm", "cm^2"),
        ("cm^2", "cm^2"),
        ("cm^{2}", "cm^2"),
        ("feet", "foot"),
        ("miles per hour", "mile/hour"),
        ("mph", "mile/hour"),
        ("red apples", "red apple"),
        ("square units", ""),
        ("units", ""),
        ("KG", "kg"),
        ("mW", "mW"),
        ("MW", "MW"),
    ],
)
def test_spellings_of_a_unit_have_one_name(words: str, name: str) -> None:
    unit = parse_unit(words)
    assert unit is not None and unit.name == name


@pytest.mark.parametrize("words", ["", "or", "and a half", "million", "p.m.", "5", "sin x", "more", "x" * 61])
def test_words_that_are_no_unit_are_none(words: str) -> None:
    assert parse_unit(words) is None


def test_few_single_letters_are_units_where_they_are_not_boxed() -> None:
    assert parse_unit("n") is not None and not is_plain_unit("n") and not is_plain_unit("x") and is_plain_unit("m")
    assert is_plain_unit("cm") and is_plain_unit("dollars per day")


@pytest.mark.parametrize(
    ("a", "b", "may_be"),
    [
        ("dollars", "dollars per day", True),
        ("apples", "red apples", True),
        ("hours", "hours", True),
        ("hours", "minutes", False),
        ("m", "m/s", False),
        ("cm", "cm^2", False),
        ("dollars", "cents", False),
    ],
)
def test_longer_names_may_mean_the_same_unit(a: str, b: str, may_be: bool) -> None:
    one, other = parse_unit(a), parse_unit(b)
    assert one and other and may_be_one(one, other) is may_be and may_be_one(other, one) is may_be
