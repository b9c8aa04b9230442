"""Reads the answer from a reply, as a person would: the first rule that finds one decides; none is an abstention.

Before: thoughts are removed, the reply ends before a turn that the model invented, an answer tag is opened, and what
the text takes back is dropped. Order: last box (those that are joined are one), `####`, announced answer, a reply or
paragraph that is nothing but the answer, option letter, last number, each only where the format or the question allows
it. Where the question offers options, a letter beats what is none. A box that also occurs in the question is likely an
echo, and is used only if nothing else is found.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from itertools import chain, islice

from cogitate.strategies.answers import multiple_choice
from cogitate.strategies.answers.answer import MAX_ANSWER_CHARACTERS, MAX_TEXT_CHARACTERS, Answer, AnswerFormat, Rule
from cogitate.strategies.answers.answer_phrase import (
    find_announced_answers,
    find_announcements,
    find_hash_answers,
    strip_markup,
)
from cogitate.strategies.answers.answer_subject import find_subject_answers
from cogitate.strategies.answers.answer_tags import open_answer_tags
from cogitate.strategies.answers.bare_answer import find_bare_answer
from cogitate.strategies.answers.boxed import find_boxes, find_last_box, find_void_box, read_open_box, scan_boxes
from cogitate.strategies.answers.canonical import canonical
from cogitate.strategies.answers.json_answer import find_json
from cogitate.strategies.answers.numbers import find_last_number, is_equation, to_decimal
from cogitate.strategies.answers.question_order import asks_for_order
from cogitate.strategies.answers.question_type import asks_for_collection, asks_for_number
from cogitate.strategies.answers.reasoning_tags import strip_reasoning
from cogitate.strategies.answers.reply_end import cut_control_tokens, cut_invented_turns
from cogitate.strategies.answers.retraction import find_last_retraction

Candidate = tuple[Rule, str | None]
_MAX_ANNOUNCED = 8
"""Announced answers that are tried, last first; each costs one call of canonical()."""
_LONG_RULES = frozenset(("json", "text", "boxed"))
"""Rules whose answers may be as long as the text, because it delimits them."""
_EMPTY_COLLECTIONS = ("[]", "{}", "()")


def extract(text: str, format: AnswerFormat = "auto", question: str = "") -> Answer | None:
    """The answer of a reply; None for an abstention."""
    question = question[-MAX_TEXT_CHARACTERS:]
    offered = _choice_letters(format, question)
    reply = cut_control_tokens(strip_reasoning(text)[-MAX_TEXT_CHARACTERS:].strip())
    if format != "text":
        reply = cut_invented_turns(reply, question, partial(_has_answer, format=format, question=question))
    for rule, raw in _candidates(reply, format, question, offered):
        longest = MAX_TEXT_CHARACTERS if rule in _LONG_RULES else MAX_ANSWER_CHARACTERS
        if raw and len(raw) <= longest and (key := _key(raw, format, offered, question)):
            return Answer(raw, key, rule)
    return None


def answer_from_value(raw: str, format: AnswerFormat = "auto", question: str = "") -> Answer | None:
    """The answer of a value that a program printed; None where it is not of the requested format."""
    offered = _choice_letters(format, question[-MAX_TEXT_CHARACTERS:])
    longest = MAX_TEXT_CHARACTERS if raw[:1] in ("[", "{", "(") else MAX_ANSWER_CHARACTERS
    key = _key(raw, format, offered, question) if len(raw) <= longest else ""
    return Answer(raw, key, "program") if key else None


def _choice_letters(format: AnswerFormat, question: str) -> str:
    offered = multiple_choice.option_letters(question)
    return offered or (multiple_choice.USUAL_LETTERS if format == "choice" else "")


def _has_answer(text: str, loosely: bool, format: AnswerFormat, question: str) -> bool:
    """Whether a text has an answer that it announces, or is nothing but one; `loosely`: or ends with one."""
    if format == "json":
        return find_json(text, MAX_TEXT_CHARACTERS) is not None
    announced = chain(find_hash_answers(text), find_announced_answers(text), find_subject_answers(text, question))
    if open_answer_tags(text)[1] or find_last_box(text) or next(announced, None):
        return True
    offered = _choice_letters(format, question)
    if format == "boxed":
        return False
    if find_bare_answer(text, question) or (offered and multiple_choice.find_lone_letter(text, offered)):
        return True
    if offered and format != "number":
        return bool(multiple_choice.find_chosen_letter(text, offered))
    return loosely and (format == "number" or asks_for_number(question)) and bool(find_last_number(text))


def _candidates(reply: str, format: AnswerFormat, question: str, offered: str) -> Iterator[Candidate]:
    content, tagged = open_answer_tags(reply)
    match format:
        case "json":
            yield "json", find_json(content, MAX_TEXT_CHARACTERS)
            yield "json", find_json(reply, MAX_TEXT_CHARACTERS)
        case "text":
            yield "text", strip_markup(content) if tagged else content
        case "boxed":
            settled, void = _skip_retractions(reply)
            if not void:
                yield "boxed", find_last_box(settled, _boxes_of(question))
                yield "boxed", find_last_box(settled)
            yield "phrase", read_open_box(settled) if void else None
        case _:
            yield from _read_reply(content, format, question, offered)
            if tagged:
                yield "text", strip_markup(content)
                yield from _read_reply(reply, format, question, offered)


def _read_reply(reply: str, format: AnswerFormat, question: str, offered: str) -> Iterator[Candidate]:
    reply, void = _skip_retractions(reply)
    letters = offered if format != "number" else ""
    boxed = None if void else find_last_box(reply, _boxes_of(question))
    announced: Iterable[Candidate] = _announcement_candidates(reply, offered, question)
    if letters:
        announced = [*announced]
        yield from _letter_candidates(reply, boxed, announced, letters)
    yield "boxed", boxed
    if format != "choice":
        yield from (
            (rule, raw) for rule, raw in announced if raw not in _EMPTY_COLLECTIONS or asks_for_collection(question)
        )
    if void:
        yield "phrase", read_open_box(reply)
        return
    yield from _fallback_candidates(reply, format, question, letters)
    yield "boxed", find_last_box(reply)


def _announcement_candidates(reply: str, offered: str, question: str) -> Iterator[Candidate]:
    yield from (("hash", raw) for raw in islice(find_hash_answers(reply), _MAX_ANNOUNCED))
    yield from (("phrase", raw) for raw in islice(find_announced_answers(reply, not offered), _MAX_ANNOUNCED))
    yield from (("phrase", raw) for raw in find_subject_answers(reply, question))


def _letter_candidates(
    reply: str, boxed: str | None, announced: Iterable[Candidate], offered: str
) -> Iterator[Candidate]:
    """Answers that name an option: boxed, announced, on a line of their own, or in a conclusion."""
    for rule, raw in (("boxed", boxed), *announced):
        letter = raw and (
            multiple_choice.parse_letter(raw, offered) or multiple_choice.parse_trailing_letter(raw, offered)
        )
        if raw and letter:
            yield rule, raw if multiple_choice.parse_letter(raw, offered) else letter
    yield "choice", multiple_choice.find_lone_letter(reply, offered)
    yield "choice", multiple_choice.find_chosen_letter(reply, offered)
    yield "choice", multiple_choice.find_lone_letter(reply, offered, with_text=True)


def _fallback_candidates(reply: str, format: AnswerFormat, question: str, letters: str) -> Iterator[Candidate]:
    """Answers that nothing announces: the whole reply, the last letter, or the last number where one is asked for."""
    if letters:
        yield "choice", multiple_choice.find_last_letter(reply, letters)
    if format != "choice":
        yield "text", find_bare_answer(reply, question)
    if format == "number" or (format == "auto" and asks_for_number(question)):
        yield "number", find_last_number(reply)


def _skip_retractions(reply: str) -> tuple[str, bool]:
    """The text after what it takes back, and whether its last box is void, so that only announced answers count."""
    if box := find_void_box(reply):
        return reply[box.start if box.end < 0 else box.end :].strip(), True
    announcements = sorted([*find_announcements(reply), *(box.start for box in scan_boxes(reply))])
    return reply[find_last_retraction(reply, announcements) :].strip(), False


@lru_cache(maxsize=64)
def _boxes_of(question: str) -> frozenset[str]:
    return frozenset(find_boxes(question))


def _key(raw: str, format: AnswerFormat, offered: str, question: str) -> str:
    """The canonical form; empty where it is not of the requested format."""
    if format in ("auto", "choice") and (letter := multiple_choice.parse_letter(raw, offered)):
        return letter
    key = canonical(raw, format, is_ordered=asks_for_order(question))
    misread = format == "choice" or (format == "number" and to_decimal(key) is None and not is_equation(raw))
    return "" if misread else key
