"""Reads which candidate a judge picks: by the last verdict that it announces, not by any number it mentions."""

import re

from cogitate.strategies.core.quoting import strip_thinking

MAX_VERDICT_CHARACTERS = 8_000
"""The last so many characters of a judgement are read."""
_DECORATION = r"[\s*_`\"'“”(\[{#:$\\]{0,8}"
_NOUN = r"(?:(?:the )?(?:response|candidate|answer|option|solution|choice|output|number|assistant|submission|nr|№)s?)"
_PICK = (
    rf"{_DECORATION}(?:{_NOUN}{_DECORATION})?(?:boxed\{{{_DECORATION}(?:{_NOUN}{_DECORATION})?)?"
    r"(\d{1,3}(?![\d.]*\d|%|/)|(?-i:[B-J]|A(?! [a-z]))(?![\w'’]))"
)
_BE = (
    r"(?:is|are|was|would be|must be|should be|will be|has to be|seems to be|appears to be|goes to|remains|:|=|->|→|=>)"
)
_QUALITY = (
    r"(?:most (?:consistent|accurate|correct|complete|helpful|convincing|reliable)|best|better|correct|strongest"
    r"|superior|winning|preferred|chosen|selected|right)"
)
_ANNOUNCED = re.compile(
    rf"(?:\b(?:(?:the |my |our )?(?:final |overall )?(?:verdict|judge?ment|decision|choice|pick|selection|winner"
    rf"|preference|conclusion)|(?:the |my )?{_QUALITY} (?:one|{_NOUN})|the {_QUALITY}|best)(?: overall| here)?"
    rf"(?: of (?:all|the two|these|them))?[\s*_]{{0,4}}{_BE}(?: (?:therefore|thus|clearly|hence))?"
    r"|\b(?:i|we)(?:'d| would| will|'ll)? (?:therefore |thus |hence )?(?:choose|chose|pick|select|prefer|go with"
    r"|vote for|recommend)"
    r"|\b(?:so|therefore|thus|hence|overall|in conclusion|finally)\b,?(?: it is"
    r"| it's)?(?= ?[*_`\"(\[#]{0,4}(?:response|candidate|option|solution|answer|#))"
    rf"){_PICK}"
    rf"|{_NOUN}{_DECORATION}(\d{{1,3}}|(?-i:[A-J])(?!\w))[\s*_`\"')\]}}]{{0,4}} ?(?:(?:is|seems|appears|looks|remains)"
    rf"(?: to be)?(?: clearly| therefore| thus| slightly| overall)? (?:the )?{_QUALITY}(?! (?:in|on|for"
    rf"|than nothing|about)\b)"
    r"|wins|is the winner|is the verdict)",
    re.IGNORECASE,
)
_ANSWER = re.compile(rf"\b(?:final |my )?answer[\s*_]{{0,4}}{_BE}{_PICK}", re.IGNORECASE)
_BRACKETS = re.compile(r"\[\[\s*(?:response |candidate )?(\d{1,3}|[A-J])\s*\]\]", re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\{\s*(?:\\text\{)?\s*(?:response|candidate)?\s*#?(\d{1,3}|[A-J])\s*\}", re.IGNORECASE)
_ALONE = re.compile(rf"[\s:>.-]{{0,6}}{_PICK}[\s*_`\"'.)\]}}$!]*", re.IGNORECASE)
_NEGATED = re.compile(r"\b(?:not|neither|nor|never)\b|n['’]t\b", re.IGNORECASE)


def parse_pick(text: str) -> int | None:
    """Return the number of the candidate that a judgement picks; None where it announces none. A is 0, B is 1.

    In this order: the last announced verdict (`the best response is Response 1`, `Verdict: B`, `Response 1 is the
    best`), the last in double brackets, the last box, a judgement, or its last line, that is nothing but a pick, and
    `The answer is 1`.
    """
    text = strip_thinking(text)[-MAX_VERDICT_CHARACTERS:]
    announced = [mark[1] or mark[2] for mark in _ANNOUNCED.finditer(text) if not _is_negated(mark[0])]
    lines = [line for line in text.splitlines() if line.strip()]
    alone = _ALONE.fullmatch(lines[-1][:200]) if lines else None
    picks = announced or _BRACKETS.findall(text) or _BOXED.findall(text) or ([alone[1]] if alone else [])
    picks = picks or _ANSWER.findall(text)
    return _to_index(picks[-1]) if picks else None


def _is_negated(verdict: str) -> bool:
    return bool(_NEGATED.search(verdict))


def _to_index(pick: str) -> int:
    return int(pick) if pick.isdigit() else ord(pick.upper()) - ord("A")
