"""Reading an answer takes a few milliseconds whatever the text is: it is done on the event loop, once a sample."""

import time
from typing import get_args

import pytest

from cogitate.strategies.answers import AnswerFormat, extract

QUESTION = "How many? (A) one (B) two (C) three"
SAID = ("(", r"\boxed{", r"\boxed{1}", r"\frac{1}{", "{}", "}", '{"a":1}', "{'a':", '["a",', "[", '"', "\\")
SAID += ("Answer: ", "the answer is A ", "answer ", "A: 1\n", "(A) (B) ", "A ", "#### ", "$", "-", "**", "\n", " ")
SAID += ("1,", "1/", "1 ", "1.", "1e5 ", "x_1\n", "<think>", r"\text{a}", "so the answer is: \\boxed{")
LONGEST = 0.02
"""Seconds, on a machine that does much else; what is quadratic takes longer by far."""


@pytest.mark.parametrize("format", get_args(AnswerFormat))
@pytest.mark.parametrize("said", SAID)
def test_no_text_takes_long_to_read(said: str, format: AnswerFormat) -> None:
    text = "answer 1 \\boxed{" + said * (20_000 // len(said))
    assert min(timed(text, format) for _ in range(5)) <= LONGEST


def timed(text: str, format: AnswerFormat) -> float:
    began = time.thread_time()
    extract(text, format, QUESTION)
    return time.thread_time() - began


def test_after_too_many_marks_nothing_is_read() -> None:
    assert extract('{"a": 1}' + "{}" * 9_000 + '{"a": 1}', "json") is None
    assert extract(r"\boxed{1}" + "{}" * 9_000 + r"\boxed{2}", "boxed") is not None
    assert extract(r"\boxed{" + "{}" * 9_000 + "}", "boxed") is None


def test_the_last_number_is_found_however_far_up_and_however_long_its_line() -> None:
    assert found("it is 42\n" + "nothing more\n" * 1_000) == "42"
    assert found("it is 42 " + "nothing more " * 1_000) == "42"
    assert found("1 " * 5_000 + "42") == "42"
    assert found("1,234\nx_1\n" + "x_2 " * 100) == "1,234"


def found(text: str) -> str | None:
    answer = extract(text, "number")
    return answer.raw if answer else None
