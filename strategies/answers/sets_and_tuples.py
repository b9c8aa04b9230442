"""Tuples, intervals, sets and bare lists: which brackets belong together, and where the commas are."""

import re
from collections.abc import Callable

_DEEPEST = 3
_MARK = re.compile(r"\\[{}]|\\.|[()\[\]{},]", re.DOTALL)
_OPENING = frozenset(["(", "[", "{", r"\{"])
_CLOSING = frozenset([")", "]", "}", r"\}"])


def spelled(text: str, atom: Callable[[str], str], depth: int = 0) -> str:
    """`text` with each element spelled by `atom`; the elements of a set sorted and counted once."""
    opening, body, closing = _peeled(text)
    parts = _split(body)
    if parts is None or depth == _DEEPEST or (not opening and len(parts) == 1):
        return atom(text)
    if len(parts) == 1 and opening in ("(", "{"):
        return body.strip()
    items = [spelled(part.strip(), atom, depth + 1) for part in parts]
    if opening in ("{", r"\{"):
        return rf"\{{{', '.join(sorted(set(items)))}\}}"
    return f"{opening}{', '.join(items)}{closing}"


def _peeled(text: str) -> tuple[str, str, str]:
    """Opening bracket, body, closing bracket; both empty unless one pair encloses the whole text."""
    depth = 0
    opening = ""
    for mark in _MARK.finditer(text):
        if mark.start() == 0 and mark[0] in _OPENING:
            opening = mark[0]
        depth += (mark[0] in _OPENING) - (mark[0] in _CLOSING)
        if depth == 0 and opening and mark.end() == len(text):
            return opening, text[len(opening) : mark.start()], mark[0]
        if depth <= 0:
            break
    return "", text, ""


def _split(text: str) -> list[str] | None:
    """The parts between the commas outside every bracket; None where the brackets do not balance."""
    parts, depth, start = [], 0, 0
    for mark in _MARK.finditer(text):
        depth += (mark[0] in _OPENING) - (mark[0] in _CLOSING)
        if depth < 0:
            return None
        if mark[0] == "," and depth == 0:
            parts.append(text[start : mark.start()])
            start = mark.end()
    return None if depth else [*parts, text[start:]]
