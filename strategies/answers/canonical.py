"""The canonical form of an answer: two answers with the same form are one vote. No computer algebra."""

import re
import unicodedata
from functools import lru_cache

from cogitate.strategies.answers import json_answer, latex, multiple_choice, numbers, sets_and_tuples, units
from cogitate.strategies.answers.answer import MAX_TEXT_CHARACTERS, AnswerFormat

_MAX_EXPRESSION_CHARACTERS = 2_000
_MAX_PASSES = 8
_ASSIGNED = re.compile(r"[A-Za-z](?:_\w)?\s*(?:=|\\in(?![A-Za-z]))\s*")
_WORKED = re.compile(r"\(?-?\d[-+*/().\d\s,$×÷·^]*=\s*(?=[-$.\d])")
_THOUSANDS = re.compile(r"(?<![0-9,.])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9,])")
_COMMAND_GAP = re.compile(r"(\\[A-Za-z]+)\s+(?=[A-Za-z])")
_GAP = re.compile(r"(?<![0-9])\s+|\s+(?![0-9])")
_FRACTION = re.compile(r"(-?)(?:([0-9]+) )?([0-9]+)/([0-9]+)")
_WORD = re.compile(r"[^\W\d_]{3}")


def canonical(raw: str, format: AnswerFormat = "auto") -> str:
    """The key by which an answer's votes are counted.

    Never raises, and `canonical(canonical(x)) == canonical(x)`. Texts above a length limit are only stripped.
    """
    unchanged = form = raw.strip()
    if len(unchanged) > (MAX_TEXT_CHARACTERS if format in ("json", "text") else _MAX_EXPRESSION_CHARACTERS):
        return unchanged
    for _ in range(_MAX_PASSES):
        # Repeating until nothing changes makes it idempotent; text that does not converge is returned as it came.
        before, form = form, _normalize_once(form, format)
        if form == before:
            return form
    return unchanged


def _normalize_once(text: str, format: AnswerFormat) -> str:
    match format:
        case "text":
            return _fold_text(unicodedata.normalize("NFKC", text))
        case "json":
            return json_answer.canonical_json(text) or text
        case "choice":
            return multiple_choice.parse_letter(text) or _fold_text(text)
        case "number":
            return numbers.parse_first_number(units.strip_units(latex.strip_layout(text))) or _normalize_expression(
                text
            )
        case _:
            return _normalize_expression(text)


@lru_cache(maxsize=4096)
def _normalize_expression(text: str) -> str:
    text = units.strip_units(latex.strip_layout(text.strip('*`"'))).rstrip(" .,;")
    assigned = _ASSIGNED.match(text)
    if assigned and text.count("=") < 2:
        text = text[assigned.end() :]
    elif worked := _WORKED.match(text):
        text = text[worked.end() :]
    # After a bracket a comma separates: (1,234) is a pair, 1,234 is a number.
    head = re.split(r"[(\[{]", text, maxsplit=1)[0]
    plain = _THOUSANDS.sub(lambda number: number[0].replace(",", ""), head)
    return sets_and_tuples.normalize_elements(plain + text[len(head) :], _normalize_atom).strip()


def _normalize_atom(text: str) -> str:
    text = units.strip_trailing_unit(" ".join(text.split()))
    if _is_prose(text):
        return _fold_text(text)
    tight = _GAP.sub("", _COMMAND_GAP.sub("\\1\x00", text)).replace("\x00", " ")
    number, flag = tight.removesuffix("%"), "%" if tight.endswith("%") else ""
    if (plain := numbers.normalize_literal(number)) is not None:
        return plain + flag
    if fraction := _FRACTION.fullmatch(tight):
        return rf"{fraction[1]}{fraction[2] or ''}\frac{{{fraction[3]}}}{{{fraction[4]}}}"
    return tight.casefold() if "\\" not in tight and _WORD.search(tight) else tight


def _is_prose(text: str) -> bool:
    return all(character.isalpha() or character in " '-." for character in text) and any(
        len(word) > 1 for word in text.split()
    )


def _fold_text(text: str) -> str:
    return " ".join(text.split()).casefold()
