"""What a row says is right: without it nothing could ever be."""

import re
from collections.abc import Mapping
from typing import Any

from cogitate.strategies.answers import extract

HASHES = re.compile(r"####\s*(.*)")
LONGEST = 200
"""Characters of a reference that is all answer: nobody would give a longer one word for word."""


class NoReference(ValueError):
    """Why nothing could ever be right."""


def first(row: Mapping[str, Any], names: tuple[str, ...]) -> object:
    """The first of them that the row has. Raises NoReference where it is nothing."""
    value = next((row[name] for name in names if name in row), None)
    if value is None or not str(value).strip():
        raise NoReference(f"it has no {names[0]}")
    return value


def final(solution: str) -> str:
    """The answer at a reference solution's end: after ####, boxed, or all of it. Raises NoReference."""
    if hashes := HASHES.findall(solution):
        answer = str(hashes[-1]).strip()
    elif boxed := extract(solution, "boxed", ""):
        answer = boxed.raw
    elif len(answer := solution.strip()) > LONGEST:
        raise NoReference(f"its answer is longer than {LONGEST} characters, and neither behind #### nor boxed")
    if not answer:
        raise NoReference("its answer is empty")
    return answer
