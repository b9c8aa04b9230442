import itertools

import pytest

from cogitate.strategies.answers import Answer
from cogitate.strategies.core.program_value import append_value_printer, merge_close_values, parse_value
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion, Outcome


def outcome(key):
    return Outcome(Completion(prompt=Prompt(()), text="", finish="stop"), Answer(key, key, "program") if key else None)


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


@pytest.mark.parametrize(
    ("source", "printed"),
    [
        ("def solution():\n    return 42", "\n42\n"),
        ("def solution(n=6):\n    return 7 * n", "\n42\n"),
        ("def solution(n):\n    return n\nprint(solution(42))", "42\n"),
        ("solution = 42", ""),
    ],
)
def test_value_of_a_solution_without_arguments_is_printed(source, printed, capsys):
    exec(append_value_printer(source), {})  # noqa: S102 the programs are written here
    assert capsys.readouterr().out == printed
