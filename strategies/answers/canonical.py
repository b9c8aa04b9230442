"""The canonical form of an answer: two answers with one form are one vote. Light: no algebra is done here."""

import re
import unicodedata
from functools import lru_cache

from cogitate.strategies.answers import json_answer, latex, multiple_choice, numbers, sets_and_tuples, units
from cogitate.strategies.answers.answer import LONGEST_TEXT, AnswerFormat

_LONGEST = 2_000
_MOST_PASSES = 8
_ASSIGNED = re.compile(r"[A-Za-z](?:_\w)?\s*(?:=|\\in(?![A-Za-z]))\s*")
_WORKED = re.compile(r"\(?-?\d[-+*/().\d\s,$×÷·^]*=\s*(?=[-$.\d])")
_THOUSANDS = re.compile(r"(?<![0-9,.])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9,])")
_COMMAND_GAP = re.compile(r"(\\[A-Za-z]+)\s+(?=[A-Za-z])")
_GAP = re.compile(r"(?<![0-9])\s+|\s+(?![0-9])")
_FRACTION = re.compile(r"(-?)(?:([0-9]+) )?([0-9]+)/([0-9]+)")
_WORD = re.compile(r"[^\W\d_]{3}")


def canonical(raw: str, format: AnswerFormat = "auto") -> str:
    """The key an answer is counted under. Never raises, and `canonical(canonical(x)) == canonical(x)`."""
    stripped = form = raw.strip()
    if len(stripped) > (LONGEST_TEXT if format in ("json", "text") else _LONGEST):
        return stripped
    for _ in range(_MOST_PASSES):
        # Passes until nothing changes make it idempotent; what does not settle is left as it came, which is too.
        before, form = form, _pass(form, format)
        if form == before:
            return form
    return stripped


def _pass(text: str, format: AnswerFormat) -> str:
    match format:
        case "text":
            return _folded(unicodedata.normalize("NFKC", text))
        case "json":
            return json_answer.dumped(text) or text
        case "choice":
            return multiple_choice.letter(text) or _folded(text)
        case "number":
            return numbers.first_value(units.without_units(latex.cleaned(text))) or _expression(text)
        case _:
            return _expression(text)


@lru_cache(maxsize=4096)
def _expression(text: str) -> str:
    text = units.without_units(latex.cleaned(text.strip('*`"'))).rstrip(" .,;")
    assigned = _ASSIGNED.match(text)
    if assigned and text.count("=") < 2:
        text = text[assigned.end() :]
    elif worked := _WORKED.match(text):
        text = text[worked.end() :]
    # After a bracket a comma separates: (1,234) is a pair, 1,234 is a number.
    head = re.split(r"[(\[{]", text, maxsplit=1)[0]
    plain = _THOUSANDS.sub(lambda number: number[0].replace(",", ""), head)
    return sets_and_tuples.spelled(plain + text[len(head) :], _atom).strip()


def _atom(text: str) -> str:
    text = units.number_alone(" ".join(text.split()))
    if _is_words(text):
        return _folded(text)
    tight = _GAP.sub("", _COMMAND_GAP.sub("\\1\x00", text)).replace("\x00", " ")
    number, flag = tight.removesuffix("%"), "%" if tight.endswith("%") else ""
    if (plain := numbers.literal(number)) is not None:
        return plain + flag
    if fraction := _FRACTION.fullmatch(tight):
        return rf"{fraction[1]}{fraction[2] or ''}\frac{{{fraction[3]}}}{{{fraction[4]}}}"
    return tight.casefold() if "\\" not in tight and _WORD.search(tight) else tight


def _is_words(text: str) -> bool:
    return all(sign.isalpha() or sign in " '-." for sign in text) and any(len(word) > 1 for word in text.split())


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
