"""Reads the answer out of a reply: the first rule that finds one decides, and no answer is an abstention.

Order: last balanced box, `####`, announced answer, option letter, last number, each only where the format or the
question allows it. A box that the question holds too is likely an echo and is believed only if nothing else is found.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

from cogitate.strategies.answers import multiple_choice
from cogitate.strategies.answers.answer import LONGEST_ANSWER, LONGEST_TEXT, Answer, AnswerFormat, Rule
from cogitate.strategies.answers.answer_phrase import hashes, phrases
from cogitate.strategies.answers.boxed import boxes, last_box
from cogitate.strategies.answers.canonical import canonical
from cogitate.strategies.answers.json_answer import last_structure
from cogitate.strategies.answers.numbers import last_number, numeric
from cogitate.strategies.answers.question_type import asks_for_number

_MOST_TRIED = 8
"""Announced answers that are read, the last first: each takes canonical() its time."""


def extract(text: str, format: AnswerFormat = "auto", question: str = "") -> Answer | None:
    """The answer a reply gives, or None: an abstention must not vote."""
    reply = _after_thinking(text)
    offered = multiple_choice.options(question[-LONGEST_TEXT:])
    if format == "choice":
        offered = offered or multiple_choice.USUAL_LETTERS
    longest = LONGEST_TEXT if format in ("json", "text") else LONGEST_ANSWER
    for rule, raw in _candidates(reply, format, question, offered):
        if raw and len(raw) <= longest and (key := _key(raw, format, offered)):
            return Answer(raw, key, rule)
    return None


def given(raw: str, format: AnswerFormat = "auto", question: str = "") -> Answer | None:
    """An answer that was handed over as it is, by a program; None where it is not of the kind that was asked for."""
    offered = multiple_choice.options(question[-LONGEST_TEXT:]) or (
        multiple_choice.USUAL_LETTERS if format == "choice" else ""
    )
    key = _key(raw, format, offered) if len(raw) <= LONGEST_ANSWER else ""
    return Answer(raw, key, "program") if key else None


def _after_thinking(text: str) -> str:
    """The end of what follows the last `</think>`; empty while a thought is still open."""
    closed = text.rfind("</think>")
    if text.rfind("<think>") > closed:
        return ""
    reply = text[closed + len("</think>") :] if closed >= 0 else text
    return reply[-LONGEST_TEXT:].strip()


def _candidates(reply: str, format: AnswerFormat, question: str, offered: str) -> Iterator[tuple[Rule, str | None]]:
    match format:
        case "json":
            yield "json", last_structure(reply, LONGEST_TEXT)
        case "text":
            yield "text", reply
        case "boxed":
            yield "boxed", last_box(reply, _boxes_of(question))
            yield "boxed", last_box(reply)
        case _:
            yield "boxed", last_box(reply, _boxes_of(question))
            yield from (("hash", raw) for raw in islice(hashes(reply), _MOST_TRIED))
            yield from (("phrase", raw) for raw in islice(phrases(reply, not offered), _MOST_TRIED))
            yield from _guesses(reply, format, question, offered)
            yield "boxed", last_box(reply)


def _guesses(reply: str, format: AnswerFormat, question: str, offered: str) -> Iterator[tuple[Rule, str | None]]:
    """Answers nothing announces: the last letter or number, where a letter or a number was asked for."""
    if offered and format != "number":
        yield "choice", multiple_choice.last_letter(reply, offered)
    if format == "number" or (format == "auto" and asks_for_number(question)):
        yield "number", last_number(reply)


@lru_cache(maxsize=64)
def _boxes_of(question: str) -> frozenset[str]:
    return frozenset(boxes(question[-LONGEST_TEXT:]))


def _key(raw: str, format: AnswerFormat, offered: str) -> str:
    """The canonical form, empty where it is not of the kind that was asked for."""
    if format in ("auto", "choice") and (letter := multiple_choice.letter(raw, offered)):
        return letter
    key = canonical(raw, format)
    misread = format == "choice" or (format == "number" and numeric(key) is None)
    return "" if misread else key
