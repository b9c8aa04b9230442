"""`\\boxed{...}` by counting braces, in one pass however they nest."""

import re

from strategies.answers.answer import placeholder

_MARK = re.compile(r"\\(?:boxed|fbox)[ \t]*\{|\\.|[{}]", re.DOTALL)


def boxes(text: str) -> list[str]:
    """The contents of all balanced boxes in order of their opening; a box never closed is not among them."""
    found: list[tuple[int, str]] = []
    opened: list[int] = []
    for mark in _MARK.finditer(text):
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
