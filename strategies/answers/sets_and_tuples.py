"""Tuples, intervals, sets and bare lists, split at the commas outside brackets."""

import re
from collections.abc import Callable

_MAX_DEPTH = 3
_MARK = re.compile(r"\\[{}]|\\.|[()\[\]{},]", re.DOTALL)
_OPENING = frozenset(["(", "[", "{", r"\{"])
_CLOSING = frozenset([")", "]", "}", r"\}"])


def normalize_elements(text: str, normalize: Callable[[str], str], depth: int = 0) -> str:
    """Applies `normalize` to each element; the elements of a set are sorted and deduplicated."""
    opening, body, closing = _split_brackets(text)
    parts = _split_commas(body)
    if parts is None or depth == _MAX_DEPTH or (not opening and len(parts) == 1):
        return normalize(text)
    if len(parts) == 1 and opening in ("(", "{"):
        return body.strip()
    items = [normalize_elements(part.strip(), normalize, depth + 1) for part in parts]
    if opening in ("{", r"\{"):
        return rf"\{{{', '.join(sorted(set(items)))}\}}"
    return f"{opening}{', '.join(items)}{closing}"


def _split_brackets(text: str) -> tuple[str, str, str]:
    """Opening bracket, body, closing bracket; empty brackets unless one pair encloses the entire text."""
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


def _split_commas(text: str) -> list[str] | None:
    """The parts between the commas outside all brackets; None where the brackets do not balance."""
    parts, depth, start = [], 0, 0
    for mark in _MARK.finditer(text):
        depth += (mark[0] in _OPENING) - (mark[0] in _CLOSING)
        if depth < 0:
            return None
        if mark[0] == "," and depth == 0:
            parts.append(text[start : mark.start()])
            start = mark.end()
    return None if depth else [*parts, text[start:]]
