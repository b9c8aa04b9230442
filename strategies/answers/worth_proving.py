"""When it is worth asking the expensive prover whether two keys are equal."""

import re

from cogitate.strategies.answers.numbers import numeric

_LONGEST = 200
_MATHEMATICAL = re.compile(r"[0-9\\]")
_LETTERS = re.compile(r"[^\W\d_]+")


def provable(a: str, b: str) -> bool:
    """Could a computer algebra system make these two different keys equal?"""
    if a == b or max(len(a), len(b)) > _LONGEST or "%" in a + b:
        return False
    if not (_is_expression(a) and _is_expression(b)):
        return False
    return not (_is_atom(a) and _is_atom(b))


def _is_atom(key: str) -> bool:
    """A number or one letter: two different ones are simply different."""
    return numeric(key) is not None or (len(key) == 1 and key.isalpha())


def _is_expression(key: str) -> bool:
    runs = _LETTERS.findall(key)
    return bool(_MATHEMATICAL.search(key)) or bool(runs and all(len(run) == 1 for run in runs))
