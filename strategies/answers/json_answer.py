"""JSON answers: the last complete object or array in a text, and its one canonical dump."""

import json
import re
from collections import deque
from collections.abc import Iterator

from cogitate.strategies.answers.answer import LONGEST_ANSWER
from cogitate.strategies.answers.numbers import literal

_MARK = re.compile(r'\\.|["{}\[\]\n]', re.DOTALL)
_MOST_MARKS = 4_000
_MOST_SPANS = 100
"""What an honest text holds; of more, no answer that is short enough to vote on is made."""
_PARTNER = {"}": "{", "]": "["}
_RECORD = re.compile(r"""\{\s*(?:'[^'\n]{0,80}'|"[^"\n]{0,80}"|\w{1,80})\s*:""")


def dumped(raw: str) -> str | None:
    """Sorted keys, no spaces, 18.0 written 18; None if `raw` is not JSON (NaN and Infinity are not)."""
    try:
        value = json.loads(raw, parse_float=_number, parse_int=_number, parse_constant=_refuse)
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError):
        return None


def last_structure(text: str, longest: int = LONGEST_ANSWER) -> str | None:
    """The last complete JSON object or array, fenced or bare; None if there is none of at most `longest` signs."""
    if sum(map(text.count, '"\\{}[]\n')) > _MOST_MARKS:
        return None
    broken = len(text)
    for start, end in reversed(deque(_spans(text), _MOST_SPANS)):
        if start > broken:
            continue
        span = text[start:end]
        if len(span) > longest:
            return None
        if dumped(span) is not None:
            return span
        # A record that does not parse is a wrong answer, not a wrapping around a right one.
        broken = start if _RECORD.match(span) else len(text)
    return None


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each bracketed stretch in order of its end; quotes count only inside brackets."""
    opened: list[int] = []
    quoted = False
    for mark in _MARK.finditer(text):
        sign = mark[0]
        if sign in '"\n':
            quoted = sign == '"' and bool(opened) and not quoted
        elif quoted or sign.startswith("\\"):
            continue
        elif sign in "{[":
            opened.append(mark.start())
        else:
            while opened and text[opened[-1]] != _PARTNER[sign]:
                opened.pop()
            if opened:
                yield opened.pop(), mark.end()


def _number(text: str) -> int | float:
    spelled = literal(text) or text
    return int(spelled) if spelled.lstrip("-").isdigit() else float(spelled)


def _refuse(name: str) -> float:
    raise ValueError(name)
