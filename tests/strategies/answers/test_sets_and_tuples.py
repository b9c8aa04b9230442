import pytest

from cogitate.strategies.answers.sets_and_tuples import normalize_elements


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x", "X"),
        ("x,y", "X, Y"),
        ("(x,y)", "(X, Y)"),
        ("(x, y]", "(X, Y]"),
        ("[x,y)", "[X, Y)"),
        ("[x]", "[X]"),
        ("(x)", "x"),
        ("{x}", "x"),
        (r"\{x\}", r"\{X\}"),
        (r"\{z, x, x\}", r"\{X, Z\}"),
        ("{z, x}", r"\{X, Z\}"),
        ("(x,y),(z,w)", "(X, Y), (Z, W)"),
        (r"(\{b,a\},c)", r"(\{A, B\}, C)"),
        ("f(x,y)", "F(X,Y)"),
        ("(x)(y)", "(X)(Y)"),
        ("(x,y", "(X,Y"),
        ("x),(y", "X),(Y"),
        ("(((((x,y),z),w),v),u)", "(((((X,Y),Z), W), V), U)"),
        ("[]", "[]"),
        ("()", ""),
        ("", ""),
    ],
)
def test_elements_are_normalised_individually(text: str, expected: str) -> None:
    assert normalize_elements(text, str.upper) == expected


def test_nesting_depth_is_limited() -> None:
    assert normalize_elements("(" * 1000 + "x,y" + ")" * 1000, str.upper).count("(") == 999
