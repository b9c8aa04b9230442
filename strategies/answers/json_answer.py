"""JSON answers: the object or array that a text presents as its answer, and its canonical serialisation."""

import json
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from cogitate.strategies.answers.answer import MAX_ANSWER_CHARACTERS
from cogitate.strategies.answers.numbers import normalize_literal
from cogitate.strategies.answers.retraction import is_called_wrong

_MARK = re.compile(r'\\.|["{}\[\]\n]', re.DOTALL)
_MAX_MARKS = 4_000
_MAX_SPANS = 100
"""Objects and arrays that are tried. A text with more contains no answer short enough to vote on."""
_MAX_VALUES = 16
"""Values between which the text's words decide, the last ones."""
_PARTNER = {"}": "{", "]": "["}
_RECORD = re.compile(r"""\{\s*(?:'[^'\n]{0,80}'|"[^"\n]{0,80}"|\w{1,80})\s*:""")
_NOTE = re.compile(
    r"(?:^|[.!?)\]}]\s)[\s*_(#>-]{0,6}(?:please )?(?:note|notes|remark|remember|n\.?b\.?|ps|p\.s\.|explanation"
    r"|comment|hint"
    r"|schema|assumption|disclaimer|for (?:example|instance|reference)|e\.g\.|example|input|template|format|this (?:is"
    r"|follows|matches|conforms|uses|assumes)|where|alternatively|if you|or,? if|i (?:used|assumed|left|omitted))\b",
    re.IGNORECASE,
)
_NOTE_HEADING = re.compile(
    r"^[ \t*_#]{0,8}(?:notes?|remarks?|explanation|comments?|reasoning|assumptions?|schema)[*_:. \t]{0,6}$", re.I | re.M
)
_ANSWER_HEADING = re.compile(r"^[^\n{\[]{0,40}\b(?:answer|final|result|output|json|corrected)\b", re.I | re.M)
_PRESENTS = re.compile(
    r"(?:[:=]|->|=>|→|\b(?:is|are|be|json|get|got|return|returns|output|result|answer)|```\w{0,10}|\\boxed\s?\{"
    r"|[(\[])\s*$",
    re.IGNORECASE,
)
_CONTINUES = re.compile(r"[ \t]*(?:is|are|was|were|means|matches|would|wants|requires|as in|which|stands|describes)\b")


@dataclass(frozen=True, slots=True)
class Span:
    """A JSON value in a text."""

    start: int
    end: int
    rank: int
    """2 where the text presents it as an answer, 1 amid other words, 0 in a note or where it is called wrong."""


def canonical_json(raw: str) -> str | None:
    """Serialises with sorted keys, no spaces, and 18.0 as 18; None if `raw` is not JSON (NaN and Infinity are not)."""
    try:
        value = json.loads(raw, parse_float=_parse_number, parse_int=_parse_number, parse_constant=_reject_constant)
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError):
        return None


def find_json(text: str, max_characters: int = MAX_ANSWER_CHARACTERS) -> str | None:
    """The last complete JSON object or array that the text presents as its answer, fenced or bare.

    Values amid other words, and those in a note, count only where there is no other. None if there is none, if it is
    longer than `max_characters`, or if a later one that is presented was never finished.
    """
    if sum(map(text.count, '"\\{}[]\n')) > _MAX_MARKS:
        return None
    values = list[Span]()
    broken = len(text)
    for start, end in reversed(deque(_spans(text), _MAX_SPANS)):
        if start > broken or len(values) == _MAX_VALUES:
            continue
        if end - start > max_characters and not values:
            return None
        if end - start <= max_characters and canonical_json(text[start:end]) is not None:
            values.append(Span(start, end, _rank(text, start, end)))
            broken = start
            continue
        # A record that does not parse is a wrong answer, not a wrapping around a right one.
        broken = start if _RECORD.match(text, start, end) or end - start > max_characters else broken
    best = max(values, key=lambda value: (value.rank, value.end), default=None)
    if best is None or _is_unfinished_after(text, best.end) or _is_retracted(text, best):
        return None
    return text[best.start : best.end]


def _rank(text: str, start: int, end: int) -> int:
    line_start = text.rfind("\n", 0, start) + 1
    before = text[max(line_start, start - 300) : start]
    heading = text[max(0, line_start - 300) : max(0, line_start - 1)].rstrip("` \njson").rpartition("\n")[2]
    follows_heading = not before.strip(" \t`*>") and heading.rstrip("*_ ").endswith(":") and _NOTE.search(heading)
    heading_above = _NOTE_HEADING.search(text, 0, start)
    if heading_above and not _ANSWER_HEADING.search(text, heading_above.end(), start):
        return 0
    if _NOTE.search(before) or follows_heading or is_called_wrong(text, end):
        return 0
    presented = not before.strip(" \t*>`-#") or _PRESENTS.search(before)
    return 2 if presented and not _CONTINUES.match(text, end) else 1


def _is_retracted(text: str, value: Span) -> bool:
    return value.rank == 0 and is_called_wrong(text, value.end)


def _is_unfinished_after(text: str, end: int) -> bool:
    """Whether a later value begins on a line of its own, or behind a label, and never ends."""
    rest = text[end:]
    opened = list[int]()
    quoted = False
    for mark in _MARK.finditer(rest):
        character = mark[0]
        if character in '"\n':
            quoted = character == '"' and bool(opened) and not quoted
        elif not quoted and character in "{[":
            opened.append(mark.start())
        elif not quoted and character in "}]" and opened:
            opened.pop()
    if not opened or not re.match(r"[{\[]\s*(?:[\"'{\[\d]|$)", rest[opened[0] :]):
        return False
    before = rest[rest.rfind("\n", 0, opened[0]) + 1 : opened[0]]
    starts_line = "\n" in rest[: opened[0]] and not before.strip(" \t*>`")
    return starts_line or bool(re.search(r"[:=]\s*$", before))


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each bracketed span in order of its end; quotes count only inside brackets."""
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
