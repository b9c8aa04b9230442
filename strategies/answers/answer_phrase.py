"""Answers announced in words: `#### 18`, `Answer: 18`, `A: 18`, `The final answer is 18.`, `答案是18。`"""

import re
from collections.abc import Iterator
from functools import lru_cache

from cogitate.strategies.answers.answer import MAX_ANSWER_CHARACTERS, is_placeholder
from cogitate.strategies.answers.answer_labels import ANNOUNCEMENT, FOREIGN_HEADS, HEADS, VALUE_ENDINGS

_MAX_LABELS = 32
_HASH = re.compile(r"(?<!#)####(?!#)[ \t]*(?=\S)")
_AMOUNT = re.compile(r"[-+]?[$€£]?[-+]?[0-9][0-9,./]*\s*%?")
_LABEL = re.compile(ANNOUNCEMENT, re.IGNORECASE | re.MULTILINE)
_INITIAL_A = re.compile(r"^[ \t>*_]{0,9}A:", re.MULTILINE)
_HEADING = re.compile(r"answer[*_ \t]{0,4}$", re.IGNORECASE | re.MULTILINE)
_BEFORE_HEADING = re.compile(r"[#*_ \t]{1,9}(?:final )?", re.IGNORECASE)
_HEAD = re.compile(HEADS)
_ANY_HEAD = re.compile(f"{HEADS}|{FOREIGN_HEADS}")
_MAX_HEADS = 256
_LEAD = re.compile(r"[\s*_:：>]*(?:(?:\\\[|\$\$)[ \t]*\n\s*)?")
_SENTENCE_END = re.compile(
    r"(?:(?<=[0-9)\]}$*%])|(?<=[a-zß-öø-ÿа-яα-ω]{3})|(?<=\b[Nn]o)|(?<=\b[A-J]))\.\s|[。！？；।۔]|(?<=\S)[?؟](?=\s)"
    r"|(?<=\S)!(?=\s+[A-Z])"
    r"|,?\s(?:because|since|weil|parce que|porque|perché|потому)\s|,\s(?:which|where|so|as|given|after|not)\s"
    r"|\s(?:–|—|--)\s(?=[a-z]{2})"
)
_REMARK = re.compile(
    r"\s+\((?:since|because|as|i\.e\.|see|rounded|which|that is|note|not|if|assuming)\b[^()]{0,200}\)?$", re.I
)
_BOLD_END = re.compile(r"(?<=\S)\*\*(?=[\s.,;:!]|$)")
_ENDING = re.compile(VALUE_ENDINGS)
_PRICE = re.compile(r"[$][ ]?[-+]?\.?\d[\d.,]{0,30}")
_PAIRS = (("**", "**"), ("__", "__"), ("`", "`"), ("\\(", "\\)"), ("\\[", "\\]"), ("$$", "$$"))
_DENIED = re.compile(r"(?:not|n't|neither|nor|either of)\s+(?:[-\d(\\$`*]|[A-J]\b|option\b|the\b)", re.IGNORECASE)
_COMMENT = re.compile(
    r"(?:therefore |thus |also |indeed |still )?(?:correct|right|wrong|incorrect|verified|confirmed|reasonable"
    r"|clear|obvious"
    r"|unchanged|given|shown|found|the same|as above|above|unknown|unclear|yet to|in the|within|inside"
    r"|that of)\b.{0,60}",
    re.IGNORECASE,
)
_CONDITION = re.compile(r"\b(?:if|unless|suppose|assuming|had|were|without|for)\b", re.IGNORECASE)
_UNREAL = re.compile(r"\b(?:would|could|might)\b", re.IGNORECASE)
_OTHERWISE = re.compile(r"\b(?:otherwise|someone|some (?:may|might)|wrongly)\b", re.IGNORECASE)
_NOTE = re.compile(r"^[ \t*_(]{0,4}(?:note|remark|n\.?b\.?|ps|p\.s\.|p\.s|hinweis|nota)\b[.:*_ ]", re.IGNORECASE)


def find_hash_answers(text: str) -> Iterator[str]:
    """Yield what follows `####`, last first.

    On the last line any text is an answer; elsewhere only an amount is, because other text is a heading.
    """
    end = len(text.rstrip())
    for mark in reversed(_find_hashes(text)):
        line = text[mark.end() :].partition("\n")[0]
        if len(line) > 2 * MAX_ANSWER_CHARACTERS:
            continue
        labels = _find_labels(line, initial_a=False)
        value = strip_markup(line[labels[0][1] :] if labels else line)
        if value and (mark.end() + len(line.rstrip()) >= end or _AMOUNT.fullmatch(value)):
            yield value


def find_announced_answers(text: str, initial_a: bool = True) -> Iterator[str]:
    """Yield what follows an answer label, last first; with `initial_a`, `A:` at the start of a line is a label.

    What a condition or a note announces (`if ..., the answer would be 21`), and comments (`the answer is correct`),
    come after all others; what is denied (`the answer is not 3`) does not come.
    """
    later = []
    for at, end in reversed(_find_labels(text, initial_a)):
        lead = _LEAD.match(text, end)
        start = lead.end() if lead else end
        line = text[start : start + 2 * MAX_ANSWER_CHARACTERS].partition("\n")[0]
        value = strip_value(line)
        if is_placeholder(value) or _DENIED.match(value):
            continue
        if _COMMENT.fullmatch(value) or _is_aside(text, (at, end), line, value):
            later.append(value)
        else:
            yield value
    yield from later


def find_announcements(text: str, initial_a: bool = True) -> list[int]:
    """The offsets after the labels and `####` marks of a text."""
    marks = [end for _, end in _find_labels(text, initial_a)]
    return sorted(marks + [mark.end() for mark in _find_hashes(text)])


def _find_hashes(text: str) -> list[re.Match[str]]:
    """The last `####` marks, in order."""
    return [*_HASH.finditer(text)][-_MAX_LABELS:] if "####" in text else []


def strip_value(line: str) -> str:
    """The value at the start of a line: up to the end of its sentence, without markup and remarks."""
    value = _SENTENCE_END.split(line, maxsplit=1)[0]
    value = strip_markup(_REMARK.sub("", value))
    return strip_markup(_ENDING.sub("", value)) if not value.isascii() or value.endswith("r") else value


def strip_markup(value: str) -> str:
    """Remove Markdown emphasis, math delimiters and the sentence's final period; the dollar sign of a price stays."""
    for _ in range(4):
        value = value.strip().removesuffix(".").strip()
        for opening, closing in _PAIRS:
            if len(value) > len(opening + closing) and value.startswith(opening) and value.endswith(closing):
                value = value[len(opening) : -len(closing)]
    value = _BOLD_END.sub("", value)
    is_content = "$" in value.strip("$") or _PRICE.fullmatch(value)
    return value.strip() if is_content else value.strip("$").strip()


@lru_cache(maxsize=16)
def _find_labels(text: str, initial_a: bool) -> list[tuple[int, int]]:
    """Start and end of the last labels, in order."""
    lowered = text.replace("İ", "I").lower()
    heads = (
        [*(_HEAD if text.isascii() else _ANY_HEAD).finditer(lowered)][-_MAX_HEADS:] if len(lowered) == len(text) else []
    )
    labels: dict[int, int] = {}
    for head in reversed(heads):
        if len(labels) < _MAX_LABELS and (end := _match_label(text, head.start())):
            labels[head.start()] = end
    if initial_a and "A:" in text:
        labels |= {mark.start(): mark.end() for mark in [*_INITIAL_A.finditer(text)][-_MAX_LABELS:]}
    return sorted(labels.items())[-_MAX_LABELS:]


def _match_label(text: str, start: int) -> int:
    """The end of the label that begins at `start`; 0 where none does."""
    before = text[start - 1 : start]
    if before.isalnum() and before.isascii():
        return 0
    if label := _LABEL.match(text, start):
        return label.end() if not (before.isalnum() and text[start].isascii()) else 0
    heading = _HEADING.match(text, start)
    line = text[max(text.rfind("\n", 0, start) + 1, start - 20) : start]
    return heading.end() if heading and _BEFORE_HEADING.fullmatch(line) else 0


def _is_aside(text: str, label: tuple[int, int], line: str, value: str) -> bool:
    """Whether the label stands in a note, under a condition, or in a question."""
    before = text[max(0, label[0] - 200) : label[0]].rpartition("\n")[2]
    sentence = re.split(r"[.!?]\s", before)[-1]
    is_question = line[len(value) : len(value) + 4].lstrip(" *$`").startswith("?")
    unreal = _UNREAL.search(text, *label) and _CONDITION.search(sentence)
    return bool(_NOTE.match(before) or unreal or _OTHERWISE.search(sentence)) or is_question
