"""Finds `\\boxed{...}` by counting braces in one pass, over a bounded number of braces."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import islice

from cogitate.strategies.answers.answer import is_placeholder
from cogitate.strategies.answers.numbers import parse_first_number
from cogitate.strategies.answers.retraction import is_called_wrong, is_negated

_MARK = re.compile(r"\\(?:boxed|fbox)[ \t]*\{|\\.|[{}]", re.DOTALL)
_BOX = re.compile(r"\\(?:boxed|fbox)[ \t]*\{")
_MAX_BOXES = 64
"""The last so many boxes are read."""
_MAX_MARKS = 6_000
"""Braces and commands that are read after the first of these boxes."""
_MAX_JOINED = 16
_JOINT = re.compile(
    r"[\s$.]{0,8}(?:\\[)\]][\s$.]{0,4})?(?:(?:,|;|&|\\quad|\\qquad|\\,)[\s$]{0,4}){0,3}"
    r"(?:(?:\b(?:or|and|und|oder|et|ou|y|o)\b|(?:\\(?:text|mathrm|textrm|mbox)\{[ ~]{0,3}(?:or"
    r"|and)[ ~]{0,3}\}))[\s$]{0,4})?"
    r"(?:(?:\\quad|\\qquad|\\,)[\s$]{0,4}){0,2}(?:\\[(\[][\s$]{0,4})?(?:[A-Za-z](?:_\{?\w\}?)?[ ]?=[\s$]{0,4})?"
)
_JOINS = re.compile(r"[,;&]|\b(?:or|and|und|oder|et|ou|y|o)\b")
_NUMERIC = re.compile(r"-?[0-9.,\s]*(?:\\[dt]?frac\{[0-9]+\}\{[0-9]+\}|[0-9]+/[0-9]+)?")
_SAME = Decimal("1e-6")
"""The relative difference within which two notations are of one value, because decimals are rounded."""
_BLANK = re.compile(r"(?:\s|\\[,;:! ]|~|\$|\?|_|\\(?:quad|qquad|text|mathrm|textbf|mbox|hspace|phantom)\b|\{\s*\})*")
_MENTION = re.compile(
    r"(?:\b(?:within|with|in|inside|into|using|use|uses|by|an?|the|of|to|as|like|form|format|notation|command|put"
    r"|needs?"
    r"|via|empty)\b|`)[\s:'\"`$*(]{0,6}(?:LaTeX\s?)?$",
    re.IGNORECASE,
)
_OPEN_CONTENT = re.compile(r"(?:[^\n$\\]|\\[^()\[\]\n]){0,200}")
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}\s+[A-Za-z]{2,}")


@dataclass(frozen=True, slots=True)
class Box:
    """One box in a text."""

    start: int
    content: str
    end: int
    """The offset after its closing brace; -1 where nothing closes it."""


def find_boxes(text: str) -> list[str]:
    """The contents of all balanced boxes in order of their opening. Boxes that are never closed are left out."""
    return [box.content for box in scan_boxes(text) if box.end >= 0]


@lru_cache(maxsize=16)
def scan_boxes(text: str) -> tuple[Box, ...]:
    """All boxes in order of their opening, those that nothing closes included."""
    marks = [box.start() for box in _BOX.finditer(text)][-_MAX_BOXES:]
    boxes: list[Box] = []
    opened: list[tuple[int, int]] = []
    for mark in islice(_MARK.finditer(text, marks[0]), _MAX_MARKS) if marks else ():
        if mark[0] == "{":
            opened.append((-1, -1))
        elif mark[0] == "}":
            start, inner = opened.pop() if opened else (-1, -1)
            if start >= 0:
                boxes.append(Box(start, text[inner : mark.start()].strip(), mark.end()))
        elif mark[0].endswith("{") and len(mark[0]) > 2:
            opened.append((mark.start(), mark.end()))
    boxes += [Box(start, text[inner:], -1) for start, inner in opened if start >= 0]
    return tuple(sorted(boxes, key=lambda box: box.start))


def find_void_box(text: str) -> Box | None:
    """The last box, where it is empty or never closed: no earlier box is then the answer.

    A box that only names the notation (`within \\boxed{}`) is none.
    """
    boxes = [*scan_boxes(text)]
    while boxes and (is_mention(text, boxes[-1]) or _is_repeated_instruction(boxes[-1])):
        boxes.pop()
    last = boxes[-1] if boxes else None
    return last if last and (last.end < 0 or is_blank(last.content)) else None


def read_open_box(text: str) -> str | None:
    """The content of the last box, where nothing closes it and it is clearly all there; None else."""
    last = next(reversed(scan_boxes(text)), None)
    if last is None or last.end >= 0 or len(last.content) > 400:
        return None
    found = _OPEN_CONTENT.match(last.content)
    content = found[0].strip().rstrip(".") if found else ""
    balanced = content.count("{") == content.count("}")
    return content if content and balanced and not _PROSE.search(content) else None


def find_last_box(text: str, echoed: frozenset[str] = frozenset()) -> str | None:
    """The last box that is no placeholder, not among `echoed`, and not negated or called wrong; None without one.

    Boxes joined by a comma, `or` or `and` are one answer: `\\boxed{1} or \\boxed{2}` is `1, 2`.
    """
    boxes = [box for box in scan_boxes(text) if box.end >= 0]
    dropped = {box.content for box in boxes if is_called_wrong(text, box.end) or is_negated(text, box.start)}
    boxes = [box for box in boxes if box.content not in dropped and not _is_void(text, box, echoed)]
    parts = [box.content for box in _join_last(text, boxes)]
    # One value, also in two notations (`0.75 or 3/4`), is one answer; `2, 2, 3` is three.
    return ", ".join(parts[-1:] if _is_one_value(parts) else parts) if parts else None


def is_blank(content: str) -> bool:
    """Whether a box holds nothing: `\\boxed{}`, `\\boxed{\\,}`, `\\boxed{?}`; `\\boxed{{}}` is the empty set."""
    return content != "{}" and bool(_BLANK.fullmatch(content[:200])) and len(content) <= 200


def is_mention(text: str, box: Box) -> bool:
    """Whether an empty box names the notation, as in `put it within \\boxed{}`."""
    return box.end >= 0 and is_blank(box.content) and bool(_MENTION.search(text[max(0, box.start - 40) : box.start]))


def _is_repeated_instruction(box: Box) -> bool:
    return box.end >= 0 and not is_blank(box.content) and is_placeholder(box.content)


def _is_void(text: str, box: Box, echoed: frozenset[str]) -> bool:
    return box.content in echoed or is_blank(box.content) or is_placeholder(box.content)


def _join_last(text: str, boxes: list[Box]) -> list[Box]:
    """The last box, with those before it that are joined to it."""
    joined = boxes[-1:]
    for box in reversed(boxes[-_MAX_JOINED:-1]):
        gap = text[box.end : joined[0].start]
        if len(gap) > 60 or not _JOINT.fullmatch(gap) or not _JOINS.search(gap):
            break
        joined.insert(0, box)
    return joined


def _is_one_value(parts: list[str]) -> bool:
    if len(set(parts)) <= 1:
        return True
    numbers = [parse_first_number(part) if _NUMERIC.fullmatch(part) else None for part in parts]
    values = [Decimal(number) for number in numbers if number is not None]
    spread = max(values, default=Decimal(0)) - min(values, default=Decimal(0))
    return len(values) == len(parts) and spread <= _SAME * max(map(abs, values))
