"""The value that a program prints, and which values count as equal."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

from cogitate.strategies.answers import to_decimal
from cogitate.strategies.core.program_source import extract_program as extract_program
from cogitate.strategies.core.types import Outcome

TOLERANCE = Decimal("1e-4")
"""Relative difference within which two values are equal, because programs round differently. Integers must be equal."""
_NO_VALUES = frozenset({"", "none", "nan", "inf", "-inf", "[]", "{}", "()"})
_PRINT_VALUE = """

def _takes_nothing(function):
    code = getattr(function, "__code__", None)
    return code is None or code.co_argcount == len(function.__defaults__ or ())

_solution = globals().get("solution")
if callable(_solution) and _takes_nothing(_solution):
    _value = _solution()
    if _value is not None:
        print("\\n" + " ".join(str(_value).split()))
"""


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
