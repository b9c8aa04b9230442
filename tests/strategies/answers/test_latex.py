import pytest

from cogitate.strategies.answers.latex import DOLLAR, fold_unicode, strip_layout


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10²", "10^{2}"),
        ("x⁻¹", "x^{-1}"),
        ("101₂", "101_{2}"),
        ("½", "1/2"),
        ("1½", "1 1/2"),
        ("−5", "-5"),
        ("√12", r"\sqrt{12}"),
        ("√x", r"\sqrt x"),
        ("7π", r"7\pi "),
        ("１２", "12"),
        ("90º", "90°"),
        ("it’s", "it's"),
    ],
)
def test_unicode_notation_becomes_latex(text: str, expected: str) -> None:
    assert fold_unicode(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$42$", "42"),
        (r"\(42\)", "42"),
        (r"\[42\]", "42"),
        (r"\$42", f"{DOLLAR}42"),
        ("$42", f"{DOLLAR}42"),
        ("€42", "€42"),
        (r"\left(1,2\right)", "(1,2 )"),
        (r"\leftarrow", r"\leftarrow"),
        (r"a\quad b", "a  b"),
        (r"1\\2", r"1\\2"),
        (r"900,\!000,\!000", "900000000"),
        (r"10{,}000", "10000"),
        (r"3.141\,592", "3.141592"),
        (r"\dfrac12", r"\frac{1}{2}"),
        (r"\tfrac{1}2", r"\frac{1}{2}"),
        (r"\frac1{23}", r"\frac{1}{23}"),
        (r"\frac{-1}{2}", r"-\frac{1}{2}"),
        (r"\frac{1}{-2}", r"-\frac{1}{2}"),
        (r"\sqrt2", r"\sqrt{2}"),
        (r"x^{2}_{1}", r"x^2_1"),
        (r"x^{10}", r"x^{10}"),
        (r"48^\circ", "48°"),
        (r"48^{\circ}", "48°"),
        ("48°", "48°"),
        (r"48\degree", "48°"),
        (r"10\%", "10%"),
        ("10 percent", "10 %"),
        (r"\mathbf{x}", "x"),
        (r"\boxed{5}", "5"),
        (r"a\leq b\geq c", r"a\le  b\ge  c"),
        (r"\varnothing", r"\emptyset"),
        (r"5\text{ cm}", r"5\text{ cm}"),
    ],
)
def test_strip_layout_keeps_the_meaning(text: str, expected: str) -> None:
    assert strip_layout(text) == expected
