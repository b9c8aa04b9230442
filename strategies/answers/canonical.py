"""The canonical form of an answer: two answers with the same form are one vote. No computer algebra."""

import unicodedata
from functools import lru_cache

from cogitate.strategies.answers import json_answer, latex, multiple_choice, numbers
from cogitate.strategies.answers.answer import MAX_TEXT_CHARACTERS, AnswerFormat
from cogitate.strategies.answers.reading import read_value
from cogitate.strategies.answers.scalars import strip_text_boxes

_MAX_EXPRESSION_CHARACTERS = 2_000
_MAX_PASSES = 4


def canonical(raw: str, format: AnswerFormat = "auto", *, is_ordered: bool = False) -> str:
    """The key by which an answer's votes are counted. `is_ordered`: a list is in the order that the question asks for.

    Never raises, and `canonical(canonical(x)) == canonical(x)`. Texts above a length limit are only stripped.
    """
    unchanged = form = raw.strip()
    if len(unchanged) > (MAX_TEXT_CHARACTERS if format in ("json", "text") else _MAX_EXPRESSION_CHARACTERS):
        return unchanged
    for _ in range(_MAX_PASSES):
        # Repeating until nothing changes makes it idempotent; text that does not converge is returned as it came.
        before, form = form, _normalize_once(form, format, is_ordered)
        if form == before:
            return form
    return unchanged


def _normalize_once(text: str, format: AnswerFormat, is_ordered: bool) -> str:
    match format:
        case "text":
            return _fold_text(unicodedata.normalize("NFKC", text))
        case "json":
            return json_answer.canonical_json(text) or text
        case "choice":
            return multiple_choice.parse_letter(text) or _fold_text(text)
        case "number":
            plain = strip_text_boxes(latex.strip_layout(text))
            number = None if numbers.is_equation(plain) else numbers.parse_first_number(plain)
            return number or _read_key(text, is_ordered)
        case _:
            return _read_key(text, is_ordered)


@lru_cache(maxsize=8192)
def _read_key(text: str, is_ordered: bool) -> str:
    return read_value(text, is_ordered=is_ordered).key.strip()


def _fold_text(text: str) -> str:
    return " ".join(text.split()).casefold()
