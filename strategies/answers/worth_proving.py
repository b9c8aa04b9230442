"""Decides when two keys are worth a call of the costly equivalence check."""

import re

from cogitate.strategies.answers.numbers import to_decimal

_MAX_KEY_CHARACTERS = 200
_MATHEMATICAL = re.compile(r"[0-9\\]")
_LETTERS = re.compile(r"[^\W\d_]+")


def is_worth_proving(a: str, b: str) -> bool:
    """Whether computer algebra could find two different keys equal."""
    if a == b or max(len(a), len(b)) > _MAX_KEY_CHARACTERS or "%" in a + b:
        return False
    if not (_is_expression(a) and _is_expression(b)):
        return False
    return not (_is_atom(a) and _is_atom(b))


def _is_atom(key: str) -> bool:
    """Whether the key is a number or a single letter: two different ones are never equal."""
    return to_decimal(key) is not None or (len(key) == 1 and key.isalpha())


def _is_expression(key: str) -> bool:
    runs = _LETTERS.findall(key)
    return bool(_MATHEMATICAL.search(key)) or bool(runs and all(len(run) == 1 for run in runs))
