"""Finds `\\boxed{...}` by counting braces in one pass, over a bounded number of braces."""

import re
from itertools import islice

from cogitate.strategies.answers.answer import is_placeholder

_MARK = re.compile(r"\\(?:boxed|fbox)[ \t]*\{|\\.|[{}]", re.DOTALL)
_BOX = re.compile(r"\\(?:boxed|fbox)[ \t]*\{")
_MAX_BOXES = 64
"""The last so many boxes are read."""
_MAX_MARKS = 6_000
"""Braces and commands that are read after the first of these boxes."""


def find_boxes(text: str) -> list[str]:
    """The contents of all balanced boxes in order of their opening. Boxes that are never closed are left out."""
    marks = [box.start() for box in _BOX.finditer(text)][-_MAX_BOXES:]
    spans: list[tuple[int, str]] = []
    opened: list[int] = []
    for mark in islice(_MARK.finditer(text, marks[0]), _MAX_MARKS) if marks else ():
        if mark[0] == "{":
            opened.append(-1)
        elif mark[0] == "}":
            start = opened.pop() if opened else -1
            if start >= 0:
                spans.append((start, text[start : mark.start()]))
        elif mark[0].endswith("{") and len(mark[0]) > 2:
            opened.append(mark.end())
    return [content.strip() for _, content in sorted(spans)]


def find_last_box(text: str, echoed: frozenset[str] = frozenset()) -> str | None:
    """The last box whose content is neither a placeholder nor among `echoed`; None where there is none."""
    return next((box for box in reversed(find_boxes(text)) if box not in echoed and not is_placeholder(box)), None)
