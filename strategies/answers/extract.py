"""Reads the answer from a reply: the first rule that finds one decides; no answer is an abstention.

Order: last balanced box, `####`, announced answer, option letter, last number, each only where the format or the
question allows it. A box that also occurs in the question is likely an echo, and is used only if nothing else is found.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

from cogitate.strategies.answers import multiple_choice
from cogitate.strategies.answers.answer import MAX_ANSWER_CHARACTERS, MAX_TEXT_CHARACTERS, Answer, AnswerFormat, Rule
from cogitate.strategies.answers.answer_phrase import find_announced_answers, find_hash_answers
from cogitate.strategies.answers.boxed import find_boxes, find_last_box
from cogitate.strategies.answers.canonical import canonical
from cogitate.strategies.answers.json_answer import find_last_json
from cogitate.strategies.answers.numbers import find_last_number, to_decimal
from cogitate.strategies.answers.question_type import asks_for_number

_MAX_ANNOUNCED = 8
"""Announced answers that are tried, last first; each costs one call of canonical()."""


def extract(text: str, format: AnswerFormat = "auto", question: str = "") -> Answer | None:
    """The answer of a reply; None for an abstention."""
    reply = _after_thinking(text)
    offered = multiple_choice.option_letters(question[-MAX_TEXT_CHARACTERS:])
    if format == "choice":
        offered = offered or multiple_choice.USUAL_LETTERS
    longest = MAX_TEXT_CHARACTERS if format in ("json", "text") else MAX_ANSWER_CHARACTERS
    for rule, raw in _candidates(reply, format, question, offered):
        if raw and len(raw) <= longest and (key := _key(raw, format, offered)):
            return Answer(raw, key, rule)
    return None


def answer_from_value(raw: str, format: AnswerFormat = "auto", question: str = "") -> Answer | None:
    """The answer of a value that a program printed; None where it is not of the requested format."""
    offered = multiple_choice.option_letters(question[-MAX_TEXT_CHARACTERS:]) or (
        multiple_choice.USUAL_LETTERS if format == "choice" else ""
    )
    key = _key(raw, format, offered) if len(raw) <= MAX_ANSWER_CHARACTERS else ""
    return Answer(raw, key, "program") if key else None


def _after_thinking(text: str) -> str:
    """The end of the text after the last `</think>`; empty while a thought is still open."""
    closed = text.rfind("</think>")
    if text.rfind("<think>") > closed:
        return ""
    reply = text[closed + len("</think>") :] if closed >= 0 else text
    return reply[-MAX_TEXT_CHARACTERS:].strip()


def _candidates(reply: str, format: AnswerFormat, question: str, offered: str) -> Iterator[tuple[Rule, str | None]]:
    match format:
        case "json":
            yield "json", find_last_json(reply, MAX_TEXT_CHARACTERS)
        case "text":
            yield "text", reply
        case "boxed":
            yield "boxed", find_last_box(reply, _boxes_of(question))
            yield "boxed", find_last_box(reply)
        case _:
            yield "boxed", find_last_box(reply, _boxes_of(question))
            yield from (("hash", raw) for raw in islice(find_hash_answers(reply), _MAX_ANNOUNCED))
            yield from (("phrase", raw) for raw in islice(find_announced_answers(reply, not offered), _MAX_ANNOUNCED))
            yield from _fallback_candidates(reply, format, question, offered)
            yield "boxed", find_last_box(reply)


def _fallback_candidates(
    reply: str, format: AnswerFormat, question: str, offered: str
) -> Iterator[tuple[Rule, str | None]]:
    """Answers that nothing announces: the last letter or number, where the question asks for one."""
    if offered and format != "number":
        yield "choice", multiple_choice.find_last_letter(reply, offered)
    if format == "number" or (format == "auto" and asks_for_number(question)):
        yield "number", find_last_number(reply)


@lru_cache(maxsize=64)
def _boxes_of(question: str) -> frozenset[str]:
    return frozenset(find_boxes(question[-MAX_TEXT_CHARACTERS:]))


def _key(raw: str, format: AnswerFormat, offered: str) -> str:
    """The canonical form; empty where it is not of the requested format."""
    if format in ("auto", "choice") and (letter := multiple_choice.parse_letter(raw, offered)):
        return letter
    key = canonical(raw, format)
    misread = format == "choice" or (format == "number" and to_decimal(key) is None)
    return "" if misread else key
