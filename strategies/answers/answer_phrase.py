"""Answers announced in words: `#### 18`, `Answer: 18`, `A: 18`, `The final answer is 18.`"""

import re
from collections.abc import Iterator

from cogitate.strategies.answers.answer import MAX_ANSWER_CHARACTERS, is_placeholder

_MAX_LABELS = 32
_HASH = re.compile(r"(?<!#)####(?!#)[ \t]*(?=\S)")
_AMOUNT = re.compile(r"[-+]?[$€£]?[-+]?[0-9][0-9,./]*\s*%?")
_ANSWER = (
    r"\banswer\b(?:[ \t]*\([^()\n]{1,40}\))?(?:[ \t]+(?:to|for)[ \t][^\n.:]{1,40}?)?[ \t*_]{0,4}"
    r"(?::|=|\b(?:is|equals|should be|must be|would be|will be)\b)|^[#*_ \t]{1,9}(?:final )?answer[*_ \t]{0,4}$"
)
_LABEL = re.compile(_ANSWER, re.IGNORECASE | re.MULTILINE)
_LABEL_OR_A = re.compile(rf"{_ANSWER}|^[ \t>*_]{{0,9}}(?-i:A):", re.IGNORECASE | re.MULTILINE)
_NOTHING = re.compile("(?!)")
_LEAD = re.compile(r"[\s*_:>]*(?:(?:\\\[|\$\$)[ \t]*\n\s*)?")
_SENTENCE_END = re.compile(r"(?:(?<=[0-9)\]}$*%])|(?<=[a-z]{3})|(?<=\b[Nn]o))\.\s|,?\s(?:because|since)\s")
_BOLD_END = re.compile(r"(?<=\S)\*\*(?=[\s.,;:!]|$)")
_PAIRS = (("**", "**"), ("__", "__"), ("`", "`"), ("\\(", "\\)"), ("\\[", "\\]"), ("$$", "$$"))


def find_hash_answers(text: str) -> Iterator[str]:
    """Yields what follows `####`, last first.

    On the last line any text is an answer; elsewhere only an amount is, because other text is a heading.
    """
    end = len(text.rstrip())
    for mark in reversed([*_HASH.finditer(text)][-_MAX_LABELS:]):
        line = text[mark.end() :].partition("\n")[0]
        if len(line) > 2 * MAX_ANSWER_CHARACTERS:
            continue
        value = strip_markup(_LABEL.split(line, maxsplit=1)[-1])
        if value and (mark.end() + len(line.rstrip()) >= end or _AMOUNT.fullmatch(value)):
            yield value


def find_announced_answers(text: str, initial_a: bool = True) -> Iterator[str]:
    """Yields what follows an answer label, last first; with `initial_a`, `A:` at the start of a line is a label."""
    announced = "answer" in text.casefold() or (initial_a and "A:" in text)
    pattern = (_LABEL_OR_A if initial_a else _LABEL) if announced else _NOTHING
    for mark in reversed([*pattern.finditer(text)][-_MAX_LABELS:]):
        lead = _LEAD.match(text, mark.end())
        start = lead.end() if lead else mark.end()
        line = text[start : start + 2 * MAX_ANSWER_CHARACTERS].partition("\n")[0]
        value = strip_markup(_SENTENCE_END.split(line, maxsplit=1)[0])
        if not is_placeholder(value):
            yield value


def strip_markup(value: str) -> str:
    """Removes Markdown emphasis, enclosing math delimiters, dollar signs and the sentence's final period."""
    for _ in range(4):
        value = value.strip().removesuffix(".").strip()
        for opening, closing in _PAIRS:
            if len(value) > len(opening + closing) and value.startswith(opening) and value.endswith(closing):
                value = value[len(opening) : -len(closing)]
    value = _BOLD_END.sub("", value)
    return (value if "$" in value.strip("$") else value.strip("$")).strip()
