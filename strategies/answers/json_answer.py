"""JSON answers: the last complete object or array in a text, and its canonical serialisation."""

import json
import re
from collections import deque
from collections.abc import Iterator

from cogitate.strategies.answers.answer import MAX_ANSWER_CHARACTERS
from cogitate.strategies.answers.numbers import normalize_literal

_MARK = re.compile(r'\\.|["{}\[\]\n]', re.DOTALL)
_MAX_MARKS = 4_000
_MAX_SPANS = 100
"""Objects and arrays that are tried. A text with more contains no answer short enough to vote on."""
_PARTNER = {"}": "{", "]": "["}
_RECORD = re.compile(r"""\{\s*(?:'[^'\n]{0,80}'|"[^"\n]{0,80}"|\w{1,80})\s*:""")


def canonical_json(raw: str) -> str | None:
    """Serialises with sorted keys, no spaces, and 18.0 as 18; None if `raw` is not JSON (NaN and Infinity are not)."""
    try:
        value = json.loads(raw, parse_float=_parse_number, parse_int=_parse_number, parse_constant=_reject_constant)
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError):
        return None


def find_last_json(text: str, max_characters: int = MAX_ANSWER_CHARACTERS) -> str | None:
    """The last complete JSON object or array, fenced or bare.

    None if there is none, or if it is longer than `max_characters`.
    """
    if sum(map(text.count, '"\\{}[]\n')) > _MAX_MARKS:
        return None
    broken = len(text)
    for start, end in reversed(deque(_spans(text), _MAX_SPANS)):
        if start > broken:
            continue
        span = text[start:end]
        if len(span) > max_characters:
            return None
        if canonical_json(span) is not None:
            return span
        # A record that does not parse is a wrong answer, not a wrapping around a right one.
        broken = start if _RECORD.match(span) else len(text)
    return None


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Yields start and end of each bracketed span in order of its end; quotes count only inside brackets."""
    opened: list[int] = []
    quoted = False
    for mark in _MARK.finditer(text):
        character = mark[0]
        if character in '"\n':
            quoted = character == '"' and bool(opened) and not quoted
        elif quoted or character.startswith("\\"):
            continue
        elif character in "{[":
            opened.append(mark.start())
        else:
            while opened and text[opened[-1]] != _PARTNER[character]:
                opened.pop()
            if opened:
                yield opened.pop(), mark.end()


def _parse_number(text: str) -> int | float:
    spelling = normalize_literal(text) or text
    return int(spelling) if spelling.lstrip("-").isdigit() else float(spelling)


def _reject_constant(name: str) -> float:
    raise ValueError(name)
