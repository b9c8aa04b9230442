import pytest

from cogitate.strategies.answers.boxed import find_boxes, find_last_box


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"so \boxed{42}.", ["42"]),
        (r"\fbox{42}", ["42"]),
        (r"\boxed {42}", ["42"]),
        (r"\boxed{\frac{1}{2}}", [r"\frac{1}{2}"]),
        (r"\boxed{\{1, 2\}}", [r"\{1, 2\}"]),
        (r"\boxed{[1, 2\}}", [r"[1, 2\}"]),
        (r"\boxed{1} and \boxed{2}", ["1", "2"]),
        (r"\boxed{x = \boxed{5}}", [r"x = \boxed{5}", "5"]),
        (r"\boxed{3} then \boxed{\frac{1}{2}", ["3"]),
        (r"\boxed{\boxed{5}", ["5"]),
        (r"} \boxed{4}", ["4"]),
        (r"\boxed{4}}}", ["4"]),
        ("boxed{4}", []),
        (r"\boxed 4", []),
        (r"\boxedx{4}", []),
        (r"{4}", []),
        ("", []),
    ],
)
def test_unbalanced_boxes_are_left_out(text: str, expected: list[str]) -> None:
    assert find_boxes(text) == expected


@pytest.mark.parametrize(
    ("text", "echoed", "expected"),
    [
        (r"\boxed{1}, no, \boxed{2}", [], "2"),
        (r"\boxed{1}. I put my answer within \boxed{}.", [], "1"),
        (r"\boxed{1} \boxed{\phantom{2}} \boxed{...}", [], "1"),
        (r"\boxed{10} follows from \boxed{7}+3", ["7"], "10"),
        (r"\boxed{7}+3", ["7"], None),
        ("", [], None),
    ],
)
def test_last_box_skips_placeholders_and_echoes(text: str, echoed: list[str], expected: str | None) -> None:
    assert find_last_box(text, frozenset(echoed)) == expected
