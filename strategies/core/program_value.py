"""What a program that a model wrote computes: where it stands in a text, its value, and which values are one. Pure."""

import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

from cogitate.strategies.answers import to_decimal
from cogitate.strategies.core.quoting import strip_thinking
from cogitate.strategies.core.types import Outcome

TOLERANCE = Decimal("1e-4")
"""Relative. Programs round as they like; two whole numbers are one only if they are equal."""
_FENCE = re.compile(r"^[ \t]*```[ \t]*(?:python3?|py)[ \t]*\n(.*?)^[ \t]*```", re.S | re.M | re.I)
_NOTHING = frozenset({"", "none", "nan", "inf", "-inf", "[]", "{}", "()"})
_TELL = """

if callable(globals().get("solution")):
    _value = solution()
    if _value is not None:
        print("\\n" + " ".join(str(_value).split()))
"""


def extract_program(text: str) -> str | None:
    """The last complete fenced program of a reply, its thoughts left out."""
    found = _FENCE.findall(strip_thinking(text))
    return next((source for source in reversed(found) if source.strip()), None)


def append_value_printer(source: str) -> str:
    """The program, made to end with its value on a line of its own: what `solution()` returns."""
    return source + _TELL


def parse_value(stdout: str) -> str | None:
    """The last line that it printed; None where that is no value."""
    line = next((line.strip() for line in reversed(stdout.splitlines()) if line.strip()), "")
    return None if line.casefold() in _NOTHING else line


def merge_close_values(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The same, numbers that are nearly equal under one key: that of the least of them, in whatever order they came."""
    numbers = {o.answer.key: value for o in outcomes if o.answer and (value := to_decimal(o.answer.key)) is not None}
    names: dict[str, str] = {}
    ranked = sorted(numbers, key=lambda key: numbers[key])
    for key, after in pairwise(ranked):
        names.setdefault(key, key)
        names[after] = names[key] if are_close(numbers[key], numbers[after]) else after
    return [
        replace(o, answer=replace(o.answer, key=names.get(o.answer.key, o.answer.key))) if o.answer else o
        for o in outcomes
    ]


def are_close(a: Decimal, b: Decimal) -> bool:
    whole = a == a.to_integral_value() and b == b.to_integral_value()
    return a == b or (not whole and abs(a - b) <= TOLERANCE * max(abs(a), abs(b)))
