import itertools

import pytest

from cogitate.strategies.answers import Answer
from cogitate.strategies.core.program_value import extract_program, merge_close_values, parse_value
from cogitate.strategies.core.types import Completion, Outcome, Prompt


def outcome(key):
    return Outcome(Completion(prompt=Prompt(()), text="", finish="stop"), Answer(key, key, "program") if key else None)


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("so\n```python\nx = 1\n```\nwell", "x = 1\n"),
        ("```py\nx = 1\n```\n```Python3\nx = 2\n```", "x = 2\n"),
        ("```python\nx = 1\n```\n```python\n\n```", "x = 1\n"),
        ("<think>\n```python\nx = 1\n```</think> no", None),
        ("```python\nx = 1", None),
        ("```json\n{}\n```", None),
        ("", None),
    ],
)
def test_program_is_the_last_complete_one_of_the_reply(text, program):
    assert extract_program(text) == program


@pytest.mark.parametrize(
    ("stdout", "value"),
    [("working\n\n72\n", "72"), ("72", "72"), ("", None), ("\n \n", None), ("1\nnan\n", None), ("-inf", None)]
    + [("None", None), ("[]", None), ("Paris in May\n", "Paris in May")],
)
def test_value_is_the_last_printed_line(stdout, value):
    assert parse_value(stdout) == value


@pytest.mark.parametrize(
    ("keys", "classes"),
    [
        (["0.333333", "0.33333", "0.34"], 2),
        (["100000", "100001"], 2),
        (["100000", "100001.5"], 1),
        (["0", "0.00001"], 2),
        (["1", "1.00009", "1.00018", None, "Paris"], 2),
        (["-2", "2"], 2),
    ],
)
def test_close_numbers_are_one_class_in_any_order(keys, classes):
    for order in itertools.permutations(keys):
        found = merge_close_values([outcome(key) for key in order])
        assert len({o.answer.key for o in found if o.answer}) == classes
        assert dict(zip(order, (o.answer and o.answer.key for o in found), strict=True)) == {
            key: o.answer and o.answer.key
            for key, o in zip(keys, merge_close_values(list(map(outcome, keys))), strict=True)
        }
