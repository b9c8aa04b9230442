import time
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.answers import AnswerFormat, canonical, to_decimal

FORMATS: tuple[AnswerFormat, ...] = get_args(AnswerFormat)
NOTATION = st.lists(
    st.sampled_from(
        [*r"\{}()[]<>.,:;=+-*/^_%$&~|!'\"` 0123456789xyzAB½²₂π√−°€×", "\n", r"\frac", r"\frac{1}{2}", r"\sqrt", "1,234"]
        + [r"\text{", r"\text{ cm}", r"\left(", r"\right)", r"\{", r"\}", r"\boxed{", r"\,", r"\!", r"\%", r"\$", "e3"]
        + [r"^\circ", r"\times", "10^", "million", " dollars", "p.m.", "answer is", "\\\\", "\x00", "\ufdfa", "ß", "İ"]
    ),
    max_size=24,
).map("".join)


@pytest.mark.parametrize(
    "group",
    [
        [
            "18",
            "18.0",
            "$18$",
            "18.",
            " 18 ",
            "+18",
            "9 + 9 = 18",
            "**18**",
            "18 square units",
            r"18\text{ units}",
            r"\(18\)",
            "the answer = 18",
        ],
        [r"18\text{ dollar}", "$18", r"\$18", "18 dollars", r"18\text{ dollars}", "2*9 = 18 dollars", "18 bucks"],
        ["x=18", "x = 18", "$x = 18.0$"],
        ["1234", "1,234", r"1{,}234", r"1,\!234", "1234.00"],
        [r"\frac{1}{2}", r"\frac12", r"\dfrac{1}{2}", r"\tfrac12", "1/2", "½", "(1/2)"],
        [r"-\frac{1}{2}", r"\frac{-1}{2}", "-1/2", "−1/2"],
        ["0", "-0", "0.0", "-0.00"],
        ["10%", r"10\%", "10 percent", "10.0 %"],
        ["(1, 2)", "(1,2)", r"\left(1,\, 2.0\right)", "$(1, 2)$"],
        [r"\{1, 2, 3\}", r"\{3,2,1\}", r"\left\{ 1, 3, 2 \right\}", "{3, 1, 2, 2}"],
        ["A", "(A)", "A.", r"\text{A}", r"\text{(A)}"],
        ["yes", "Yes", "YES.", r"\text{Yes}", "**Yes**", '"yes"'],
        ["new york", "New  York", "NEW\nYORK"],
        ["12\\frac{3}{5}", r"12 \frac{3}{5}", "12 3/5", r"12\dfrac35"],
        ["4a-2", "4a - 2", "$4 a - 2$"],
        [r"\sqrt{34}+3\sqrt{10}", r"\sqrt{34} + 3 \sqrt{10}", "√34 + 3√10"],
        [r"48\text{ degree}", r"48^\circ", r"48^{\circ}", "48°", "48 degrees"],
        [r"7\pi r", r"7 \pi  r"],
        [r"x^2", "x²", r"x^{2}"],
        ["4:30pm", r"4:30 \text{ p.m.}", "4:30 PM", "4:30 p.m."],
        ["1, 2", "1,2", "1 , 2"],
        ["[0, 1]", "[0,1]"],
        [r"x\in [0, 1]", r"x \in [0,1]", r"0 \le x \le 1", r"1 \geq x \geq 0"],
        ["2024-03-05", "March 5, 2024", "5 March 2024", "2024/3/5"],
        [r"-\frac{1}{2}", "-½"],
        ["3.3", "3.3000000000000003", "3.2999999999999998"],
        ["(-1, 2)", "(-1.0, +2)"],
    ],
)
def test_spellings_of_one_answer_have_one_key(group: list[str]) -> None:
    assert {spelling: canonical(spelling) for spelling in group} == dict.fromkeys(group, group[0])


@pytest.mark.parametrize(
    "group",
    [
        ["10%", "10", "0.1"],
        ["1,2", "12", "(1,2)", r"\{1,2\}", "[1,2]"],
        ["1,234", "(1,234)"],
        ["100, 200", "100200"],
        ["1 2", "12", "11/2", "1 1/2"],
        ["10²", "102", "101₂", "1012"],
        ["1½", "11/2"],
        ["1/2", "0.5"],
        ["5 million", "5 thousand", "5"],
        ["4:30 am", "4:30 pm"],
        ["-5", "5"],
        ["(1, 2)", "(2, 1)"],
        ["x", "X"],
        [r"10 \text{ or } 20", "1020"],
        ["2 sin x", "2"],
        ["x=1, y=2", "1, 2"],
        ["A", "B"],
    ],
)
def test_different_answers_have_different_keys(group: list[str]) -> None:
    assert len({canonical(answer) for answer in group}) == len(group)


@pytest.mark.parametrize(
    ("raw", "format", "expected"),
    [
        ("$18 dollars per day", "number", "18"),
        ("1/2", "number", "0.5"),
        (r"\frac12", "number", "0.5"),
        ("25%", "number", "25"),
        ("x = 3 + 4 = 7", "number", "7"),
        (r"5 \text{ million}", "number", "5000000"),
        ("no number", "number", "no number"),
        ("(b)", "choice", "B"),
        ("B. Paris", "choice", "B"),
        ("Paris  Texas", "choice", "paris texas"),
        ('{"b": 1, "a": 2.0}', "json", '{"a":2,"b":1}'),
        ("{not json}", "json", "{not json}"),
        ("  Some\n  TEXT. ", "text", "some text."),
        ("ﬁne", "text", "fine"),
        (r"\boxed{5}", "boxed", "5"),
        ("$$", "auto", ""),
        ("", "auto", ""),
        ("9" * 5_000, "auto", "9" * 5_000),
        ("(" * 1_000 + "x" + ")" * 1_000, "auto", "(" * 1_000 + "x" + ")" * 1_000),
        ("(" * 20 + "x" + ")" * 20, "auto", "(" * 20 + "x" + ")" * 20),
        (" " + "x " * 2_000, "text", "x " * 1_999 + "x"),
    ],
)
def test_canonical_form_by_format(raw: str, format: AnswerFormat, expected: str) -> None:
    assert canonical(raw, format) == expected


@pytest.mark.parametrize("format", FORMATS)
@given(raw=st.text(max_size=60) | NOTATION)
def test_canonical_never_raises_and_is_idempotent(format: AnswerFormat, raw: str) -> None:
    once = canonical(raw, format)
    assert canonical(once, format) == once
    assert once == once.strip()


@given(number=st.decimals(allow_nan=False, allow_infinity=False, places=4), format=st.sampled_from(["auto", "number"]))
def test_numbers_are_their_own_keys(number: object, format: AnswerFormat) -> None:
    assert to_decimal(canonical(f"{number:f}", format)) == number


@given(
    st.lists(st.integers(-9, 9), min_size=1, max_size=6).flatmap(lambda xs: st.tuples(st.just(xs), st.permutations(xs)))
)
def test_order_of_set_elements_does_not_change_the_key(pair: tuple[list[int], list[int]]) -> None:
    one, other = (canonical(rf"\{{{', '.join(map(str, items))}\}}") for items in pair)
    assert one == other


@pytest.mark.parametrize(
    "unit",
    ["1", "1,", "111,", "(", "{", "[]", "1 ", "1/", r"\frac", r"1\text{a}", "^ ", "- ", "ab ", ".", "$", "=", '{"a":'],
)
def test_canonical_form_of_hostile_answers_takes_bounded_time(unit: str) -> None:
    """CPU time, with room for a slow machine."""
    start = time.process_time()
    for format in FORMATS:
        canonical((unit * 2_000)[:2_000], format)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("equation", "other"),
    [("3x-1y+13=0", "3x+4y+14=0"), ("y=2x+1", "y=2x+5"), ("x-2=0", "x-3=0"), ("y = 2x - 1", "y = 2x + 1")],
)
def test_equations_are_no_numbers(equation: str, other: str) -> None:
    assert canonical(equation, "number") != canonical(other, "number")


@pytest.mark.parametrize(
    ("text", "number"),
    [("m+n=73", "73"), ("m-n=0", "0"), ("x=3", "3"), ("f(2) = 0", "0"), ("v = 3 m/s^2", "3"), ("3 + 4 = 7", "7")],
)
def test_number_is_read_behind_what_it_is_the_value_of(text: str, number: str) -> None:
    assert canonical(text, "number") == number
