"""`\\boxed{...}` by counting braces, in one pass however they nest, over so much as an honest text holds."""

import re
from itertools import islice

from cogitate.strategies.answers.answer import placeholder

_MARK = re.compile(r"\\(?:boxed|fbox)[ \t]*\{|\\.|[{}]", re.DOTALL)
_BOX = re.compile(r"\\(?:boxed|fbox)[ \t]*\{")
_MOST_BOXES = 64
"""Of which the last are read."""
_MOST_MARKS = 6_000
"""Braces and commands after the first of these."""


def boxes(text: str) -> list[str]:
    """The contents of all balanced boxes in order of their opening; a box never closed is not among them."""
    marks = [box.start() for box in _BOX.finditer(text)][-_MOST_BOXES:]
    found: list[tuple[int, str]] = []
    opened: list[int] = []
    for mark in islice(_MARK.finditer(text, marks[0]), _MOST_MARKS) if marks else ():
        if mark[0] == "{":
            opened.append(-1)
        elif mark[0] == "}":
            start = opened.pop() if opened else -1
            if start >= 0:
                found.append((start, text[start : mark.start()]))
        elif mark[0].endswith("{") and len(mark[0]) > 2:
            opened.append(mark.end())
    return [content.strip() for _, content in sorted(found)]


def last_box(text: str, echoed: frozenset[str] = frozenset()) -> str | None:
    """The last box that holds something which is neither a placeholder nor among `echoed`."""
    return next((box for box in reversed(boxes(text)) if box not in echoed and not placeholder(box)), None)
