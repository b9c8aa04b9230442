"""Reads the reference answer of a row, and compares answers with it."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from cogitate.server.evaluation.equality import are_answers_equal
from cogitate.strategies.answers import extract
from cogitate.strategies.answers.question_order import asks_for_order

HASHES = re.compile(r"####\s*(.*)")
MAX_REFERENCE_CHARACTERS = 200
"""Limit for a reference without #### or \\boxed: no model repeats a longer text word for word."""

Grade = Callable[[str | None], bool]
"""Returns whether an answer is right, given as the model wrote it; None stands for no answer."""


class NoReference(ValueError):
    """The row has no reference answer that any model could match."""


def first_value(row: Mapping[str, Any], names: tuple[str, ...]) -> object:
    """Return the value of the first of the names that the row has. Raises NoReference where it is missing or blank."""
    value = next((row[name] for name in names if name in row), None)
    if value is None or not str(value).strip():
        raise NoReference(f"it has no {names[0]}")
    return value


def final_answer(solution: str) -> str:
    """Return the answer that ends a reference solution: after ####, in \\boxed, or all of it. Raises NoReference."""
    if hashes := HASHES.findall(solution):
        answer = str(hashes[-1]).strip()
    elif boxed := extract(solution, "boxed", ""):
        answer = boxed.raw
    elif len(answer := solution.strip()) > MAX_REFERENCE_CHARACTERS:
        raise NoReference(
            f"its answer is longer than {MAX_REFERENCE_CHARACTERS} characters, and neither follows #### nor is boxed"
        )
    if not answer:
        raise NoReference("its answer is empty")
    return answer


def equality_grade(gold: str, question: str = "") -> Grade:
    """Build a grade that compares as a vote does; the question decides whether the order of a list matters."""
    is_ordered = asks_for_order(question)

    @cache
    def grade(answer: str | None) -> bool:
        return answer is not None and are_answers_equal(answer, gold, is_ordered=is_ordered)

    return grade
