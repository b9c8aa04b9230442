"""Splits an answer at brackets, commas, `and`, `or` and relation signs, outside all inner brackets."""

import re

_MARK = re.compile(r"\\[{}]|\\[A-Za-z]+|\\.|[()\[\]{}|,;=<>]|\b(?:and|or)\b", re.DOTALL)
_OPENING = frozenset(["(", "[", "{", r"\{", r"\lfloor", r"\lceil"])
_CLOSING = frozenset([")", "]", "}", r"\}", r"\rfloor", r"\rceil"])
SEPARATORS = frozenset([",", ";", "and", "or", r"\lor", r"\land"])
RELATIONS = frozenset(["=", "<", ">", r"\le", r"\ge", r"\ne", r"\in"])
_THOUSANDS = re.compile(r"(?<![0-9,.])([1-9][0-9]{0,2}(?:,[0-9]{3})+)(?![0-9]|,[0-9])")
_MATRIX = re.compile(r"\\begin\{[pb]?(?:small)?matrix\}(.*)\\end\{[pb]?(?:small)?matrix\}", re.DOTALL)


def split_brackets(text: str) -> tuple[str, str, str]:
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


def split_at(text: str, signs: frozenset[str]) -> tuple[list[str], list[str]] | None:
    """The parts between the signs outside all brackets, and the signs; None where the brackets do not balance."""
    parts, found, depth, start = [], [], 0, 0
    for mark in _MARK.finditer(text):
        depth += (mark[0] in _OPENING) - (mark[0] in _CLOSING)
        if depth < 0:
            return None
        if mark[0] in signs and depth == 0:
            parts.append(text[start : mark.start()].strip())
            found.append(mark[0])
            start = mark.end()
    return None if depth else ([*parts, text[start:].strip()], found)


def join_thousands(text: str) -> str:
    """Remove the commas of `1,234`. Within brackets a comma separates, unless commas with a space do: `(1,200, 3)`."""
    parts, depth, start = [], 0, 0
    for mark in re.finditer(r"\\\{|\\\}|[()\[\]]|$", text):
        segment = text[start : mark.end()]
        parts.append(_join(segment) if depth <= 0 or ", " in segment else segment)
        depth += (mark[0] in _OPENING) - (mark[0] in _CLOSING)
        start = mark.end()
    return "".join(parts)


def _join(segment: str) -> str:
    return _THOUSANDS.sub(lambda number: number[0].replace(",", ""), segment)


def split_matrix(text: str) -> list[list[str]] | None:
    """The cells of a LaTeX matrix, row by row; None for any other text."""
    match = _MATRIX.fullmatch(text.strip())
    if not match:
        return None
    return [[cell.strip() for cell in row.split("&")] for row in re.split(r"\\\\", match[1]) if row.strip()]
