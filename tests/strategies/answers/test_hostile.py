"""Reading an answer takes milliseconds for any text (fault list T13): it runs on the event loop for each sample."""

import time
from typing import get_args

import pytest

from cogitate.strategies.answers import AnswerFormat, extract
from cogitate.strategies.answers.reasoning_tags import strip_reasoning

QUESTION = "How many? (A) one (B) two (C) three"
UNITS = ("(", r"\boxed{", r"\boxed{1}", r"\frac{1}{", "{}", "}", '{"a":1}', "{'a':", '["a",', "[", '"', "\\")
UNITS += ("Answer: ", "the answer is A ", "answer ", "A: 1\n", "(A) (B) ", "A ", "#### ", "$", "-", "**", "\n", " ")
UNITS += (
    "<answer>a",
    "[/THINK]",
    "<",
    "that is wrong. ",
    "wait, no, ",
    "not ",
    "is ",
    "答案是",
    "Question: a\n",
    "\n\n42\n\n",
)
UNITS += ("Option A and B, ", "So A is wrong. ", "<|channel|>final<|message|>", "(if ", "\\boxed{} or ")
UNITS += (
    "1,",
    "1/",
    "1 ",
    "1.",
    "1e5 ",
    "x_1\n",
    "<think>",
    "</think>",
    "<a",
    r"\text{a}",
    "so the answer is: \\boxed{",
)
MAX_SECONDS = 0.04
"""Thread CPU time, with room for a busy machine; quadratic rules take far longer."""


@pytest.mark.parametrize("format", get_args(AnswerFormat))
@pytest.mark.parametrize("unit", UNITS)
def test_extract_stays_within_milliseconds_for_any_text(unit: str, format: AnswerFormat) -> None:
    text = "answer 1 \\boxed{" + unit * (20_000 // len(unit))
    assert min(measure_seconds(text, format) for _ in range(5)) <= MAX_SECONDS


def measure_seconds(text: str, format: AnswerFormat) -> float:
    start = time.thread_time()
    extract(text, format, QUESTION)
    return time.thread_time() - start


@pytest.mark.parametrize("unit", ["<think>", "</think>", "<think></think>", "`<think>`", "<a", "[T", "<|a"])
def test_thoughts_of_a_text_of_any_length_are_found_within_milliseconds(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    start = time.thread_time()
    strip_reasoning(text)
    assert time.thread_time() - start <= 2 * MAX_SECONDS


def test_what_follows_too_many_tags_is_read_as_it_is() -> None:
    assert strip_reasoning("<think>a</think>b" * 1_000) == "b" * 1_000
    assert strip_reasoning("<think>a</think>b" * 1_001) == "b" * 1_000 + "<think>a</think>b"


def test_text_with_too_many_braces_is_not_read() -> None:
    assert extract('{"a": 1}' + "{}" * 9_000 + '{"a": 1}', "json") is None
    assert extract(r"\boxed{1}" + "{}" * 9_000 + r"\boxed{2}", "boxed") is not None
    assert extract(r"\boxed{" + "{}" * 9_000 + "}", "boxed") is None


def test_last_number_is_found_far_from_the_end_and_in_long_lines() -> None:
    assert extract_number("it is 42\n" + "nothing more\n" * 1_000) == "42"
    assert extract_number("it is 42 " + "nothing more " * 1_000) == "42"
    assert extract_number("1 " * 5_000 + "42") == "42"
    assert extract_number("1,234\nx_1\n" + "x_2 " * 100) == "1,234"


def extract_number(text: str) -> str | None:
    answer = extract(text, "number")
    return answer.raw if answer else None
