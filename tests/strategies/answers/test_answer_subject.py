"""Answers that are the subject of their sentence."""

import pytest

from cogitate.strategies.answers import extract
from cogitate.strategies.answers.answer_subject import find_subject_answers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("42 is the answer.", "42"),
        ("So 42 is the answer!", "42"),
        ("6 * 7 = 42. Therefore, **42** is the final answer.", "42"),
        ("Thus \\(x = 5\\) is our answer", "x = 5"),
        ("I think that 12 apples is the answer.", "12 apples"),
        ("-3/4 is therefore the correct answer.\n", "-3/4"),
        ("$18 is the answer.", "$18"),
        ("3 and 4 are the solutions.", "3 and 4"),
        ("It is not 7. 8 is the answer.", "8"),
    ],
)
def test_number_or_expression_before_the_claim_is_the_answer(text: str, expected: str) -> None:
    assert next(find_subject_answers(text, "What is it?")) == expected


@pytest.mark.parametrize(
    "text",
    [
        "This is the answer.",
        "What is the answer?",
        "42 is not the answer.",
        "If x = 2, 7 is the answer.",
        "7 is the answer to part (a).",
        "Is 42 the answer?",
        "42 is the answer that Bob gave.",
        "",
    ],
)
def test_other_sentences_name_no_answer(text: str) -> None:
    assert next(find_subject_answers(text, "What is it?"), None) is None


def test_reply_is_read_by_its_announcement_first() -> None:
    assert extract("42 is the answer.").key == "42"
    assert extract("Many say 7 is the answer. The answer is 8.").key == "8"


def test_a_long_text_is_read_in_linear_time() -> None:
    assert next(find_subject_answers("is the answer is the " * 20_000, ""), None) is None
