import json
import time
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.answers import AnswerFormat, Rule, canonical, extract, to_decimal
from tests.strategies.answers.test_canonical import FORMATS, NOTATION

PLANETS = "Which planet is the largest?\nA) Mars\nB) Jupiter\nC) Venus"
COUNT = "How many eggs are left?"
MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    ("text", "question", "raw", "key", "rule"),
    [
        (r"So \boxed{\frac12}.", "", r"\frac12", r"\frac{1}{2}", "boxed"),
        (r"\boxed{3} so #### 4", "", "3", "3", "boxed"),
        ("Answer: 5\n#### 4", "", "4", "4", "hash"),
        ("It is 3.\nA: 1,234.", "", "1,234", "1234", "phrase"),
        ("Therefore, the answer (arabic numerals) is 18.", "", "18", "18", "phrase"),
        ("**Answer:** 42", "", "42", "42", "phrase"),
        ("The answer is Paris.", "", "Paris", "paris", "phrase"),
        ("The answer is (B) Jupiter.", PLANETS, "(B) Jupiter", "B", "phrase"),
        (r"\boxed{\text{B}}", PLANETS, r"\text{B}", "B", "boxed"),
        ("The answer is Jupiter.", PLANETS, "Jupiter", "jupiter", "phrase"),
        ("A: Mars is small.\nSo it must be B.", PLANETS, "B", "B", "choice"),
        ("She has 16 - 7 = 9 eggs left.", COUNT, "9", "9", "number"),
        ("It is 1/2 in the end", COUNT, "1/2", r"\frac{1}{2}", "number"),
        (r"\boxed{1}</think>\boxed{2}", "", "2", "2", "boxed"),
        (r"<think>\boxed{1}</think> no. <think></think>\boxed{2}", "", "2", "2", "boxed"),
        (r"\boxed{3} \boxed{\frac{1}{2}", "", r"\frac{1}{2}", r"\frac{1}{2}", "phrase"),
        (r"I put it within \boxed{}. The answer is 4.", "", "4", "4", "phrase"),
        (r"We know \boxed{7}+3=x. The answer is 10.", r"Solve \boxed{7}+3=x.", "10", "10", "phrase"),
        (r"\boxed{7}", r"Example: \boxed{7}. Solve.", "7", "7", "boxed"),
        (r"\boxed{" + "9" * 501 + "} The answer is 4.", "", "9" * 501, "9" * 501, "boxed"),
        (r"\boxed{\,} The answer is 4.", "", "4", "4", "phrase"),
        ("x" * MEGABYTE + r"\boxed{4}", "", "4", "4", "boxed"),
    ],
)
def test_auto_format_uses_the_first_rule_that_finds_an_answer(
    text: str, question: str, raw: str, key: str, rule: Rule
) -> None:
    answer = extract(text, question=question)
    assert answer is not None
    assert (answer.raw, answer.key, answer.rule) == (raw, key, rule)


@pytest.mark.parametrize(
    ("text", "format", "question", "key", "rule"),
    [
        ("Answer: 4", "boxed", "", None, None),
        (r"\boxed{1,2}", "boxed", "", "1, 2", "boxed"),
        (r"\boxed{7}", "boxed", r"Example: \boxed{7}.", "7", "boxed"),
        (r"\boxed{$18 dollars per day}", "number", "", "18", "boxed"),
        (r"\boxed{x} so it is 4", "number", "", "4", "number"),
        ("The answer is correct.\n#### 5", "number", "", "5", "hash"),
        ("The answer is 5.\nThe answer is correct.", "number", "", "5", "phrase"),
        ("The answer is 10%.", "number", "", "10", "phrase"),
        ("numbers 1,2", "number", "", "2", "number"),
        ("She has 9. Which option, B?", "number", PLANETS, "9", "number"),
        ("no number", "number", COUNT, None, None),
        ("The answer is (b).", "choice", "", "B", "phrase"),
        ("It has to be C, I think.", "choice", "", "C", "choice"),
        ("The answer is Z.", "choice", PLANETS, None, None),
        ("The answer is Jupiter.", "choice", PLANETS, None, None),
        ('Sure: {"b": 1, "a": 18.0}', "json", "", '{"a":18,"b":1}', "json"),
        (r"\boxed{4}", "json", "", None, None),
        ("  Some\n TEXT ", "text", "", "some text", "text"),
        ("<think>hm</think>Hello", "text", "", "hello", "text"),
        ("", "text", "", None, None),
        ("x" * 501, "text", "", "x" * 501, "text"),
        ("x" * 501 + "9" * 501, "number", "", None, None),
    ],
)
def test_each_format_reads_only_its_kind_of_answer(
    text: str, format: AnswerFormat, question: str, key: str | None, rule: Rule | None
) -> None:
    answer = extract(text, format, question)
    assert (answer and answer.key, answer and answer.rule) == (key, rule)


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("", ""),
        ("I am not sure about 5.", ""),
        (r"<think>\boxed{4}", ""),
        (r"<think>a</think><think>\boxed{4}", ""),
        (r"\boxed{4}</think>", ""),
        (r"\boxed{4" + "x" * MEGABYTE, ""),
        ("The year 1999.", "What is the name of the film?"),
        ("def f(): return 3", "Write a function to calculate how many days are left."),
    ],
)
def test_reply_without_answer_is_an_abstention(text: str, question: str) -> None:
    assert extract(text, question=question) is None


@pytest.mark.parametrize("format", FORMATS)
@given(
    text=st.lists(
        st.text(max_size=9)
        | NOTATION
        | st.sampled_from(
            [r"\boxed{", "}", "####", "Answer:", "A:", "<think>", "</think>", "\n", '{"a":', "[1]", "9" * 499]
        )
    ).map("".join),
    question=st.sampled_from(["", PLANETS, COUNT, r"\boxed{1}"]),
)
def test_extract_returns_a_bounded_answer_or_none_for_any_text(format: AnswerFormat, text: str, question: str) -> None:
    answer = extract(text, format, question)
    if answer:
        assert 0 < len(answer.raw) <= (20_000 if answer.rule in ("json", "text", "boxed") else 500)
        assert answer.raw == answer.raw.strip()
        assert answer.rule in get_args(Rule)
        assert answer.key in (canonical(answer.raw, format), canonical(answer.raw, "choice"))
        assert format != "number" or to_decimal(answer.key) is not None


HOSTILE = [
    "(",
    "aaaa!",
    "{",
    r"\boxed{",
    "1",
    "1,",
    "111,",
    "#### ",
    "Answer: ",
    "answer to ",
    "Answer:\n",
    "A: ",
    "*",
    " ",
]
HOSTILE += [
    '{"',
    r"{\"",
    "[]",
    "<think>",
    "</think>",
    "how many ",
    "what is a ",
    ".",
    "$",
    "abc. ",
    "\n",
    "1e99",
    r"\text{",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_extract_reads_hostile_text_in_bounded_time(unit: str) -> None:
    """CPU time, with room for a slow machine: a rule quadratic in 20,000 characters takes many seconds."""
    start = time.process_time()
    for format in FORMATS:
        extract((unit * 20_000)[:20_000], format, unit * 100)
    extract(unit * (MEGABYTE // len(unit)))
    assert time.process_time() - start < 2


@pytest.mark.parametrize("size", [400, 600, 15_000])
def test_json_format_reads_long_objects(size):
    value = json.dumps({"city": "Rome", "why": "x" * size})
    for text in (value, f"Here it is: {value}", f"```json\n{value}\n```"):
        assert extract(text, "json").raw == value
    assert extract(json.dumps({"why": "x" * 20_000}), "json") is None


def test_result_of_worked_arithmetic_is_the_bare_answer():
    answer = extract("13 + 29 = 42", "auto", "What is 13 + 29?")
    assert answer is not None and (answer.raw, answer.key) == ("42", "42")
