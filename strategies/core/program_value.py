"""The program in a candidate's text, the value that it prints, and which values count as equal."""

import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

from cogitate.strategies.answers import to_decimal
from cogitate.strategies.core.quoting import strip_thinking
from cogitate.strategies.core.types import Outcome

TOLERANCE = Decimal("1e-4")
"""Relative difference within which two values are equal, because programs round differently. Integers must be equal."""
_FENCE = re.compile(r"^[ \t]*```[ \t]*(?:python3?|py)[ \t]*\n(.*?)^[ \t]*```", re.S | re.M | re.I)
_NO_VALUES = frozenset({"", "none", "nan", "inf", "-inf", "[]", "{}", "()"})
_PRINT_VALUE = """

if callable(globals().get("solution")):
    _value = solution()
    if _value is not None:
        print("\\n" + " ".join(str(_value).split()))
"""


def extract_program(text: str) -> str | None:
    """Return the last complete fenced program of a reply, ignoring its thinking; None where there is none."""
    programs = _FENCE.findall(strip_thinking(text))
    return next((source for source in reversed(programs) if source.strip()), None)


def append_value_printer(source: str) -> str:
    """Return the program, extended to print what `solution()` returns on a line of its own."""
    return source + _PRINT_VALUE


def parse_value(stdout: str) -> str | None:
    """Return the last line of the output; None where that is no value."""
    line = next((line.strip() for line in reversed(stdout.splitlines()) if line.strip()), "")
    return None if line.casefold() in _NO_VALUES else line


def merge_close_values(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes with close numbers under one key, that of the smallest. The order does not matter."""
    numbers = {o.answer.key: value for o in outcomes if o.answer and (value := to_decimal(o.answer.key)) is not None}
    names: dict[str, str] = {}
    ranked = sorted(numbers, key=lambda key: numbers[key])
    for key, after in pairwise(ranked):
        names.setdefault(key, key)
        names[after] = names[key] if are_close(numbers[key], numbers[after]) else after
    return [
        replace(o, answer=replace(o.answer, key=names[o.answer.key])) if o.answer and o.answer.key in names else o
        for o in outcomes
    ]


def are_close(a: Decimal, b: Decimal) -> bool:
    """Return whether two numbers are equal within TOLERANCE; two whole numbers must be equal."""
    integers = a == a.to_integral_value() and b == b.to_integral_value()
    return a == b or (not integers and abs(a - b) <= TOLERANCE * max(abs(a), abs(b)))
