"""Finds where a reply ends: before a control token, and before a next question that the model invented."""

import re
from collections.abc import Callable

_CONTROL = re.compile(
    r"<\|(?:im_end|im_start|eot_id|eot|eom_id|end_of_text|endoftext|end|return|user|system|start_header_id"
    r"|end_of_role|start_of_role|EOS_TOKEN|END_OF_TURN_TOKEN|assistant)\|>|</s>|<end_of_turn>|<start_of_turn>|<eos>"
    r"|<｜end▁of▁sentence｜>|<｜User｜>|\[/?INST\]|\[\|(?:endofturn|user)\|\]|<extra_id_1>|<｜begin▁of▁sentence｜>"
)
_NAME = (
    r"question|problem|exercise|puzzle|task|example|q|human|user|student|instruction|input|prompt"
    r"|frage|aufgabe|pregunta|problema|domanda|pergunta|vraag|pytanie|zadanie|fråga|вопрос|задача|soru|câu hỏi|swali"
    r"|प्रश्न|問題|問|题目|問い|质问|質問|问题|问|질문|문제|السؤال|سؤال|คำถาม"
)
_TURN = re.compile(
    rf"^[ \t>#*_]{{0,8}}(?P<label>(?:(?:the |a )?(?:next|new|another|follow[- ]?up|similar) )?(?:{_NAME})"
    r"(?:[ \t]?(?:no\.?|#)?[ \t]?[0-9]{1,3})?)[ \t]?(?:\([^()\n]{1,20}\))?[*_]{0,3}(?:[:：]|[.)](?=[ \t]))"
    r"|^[ \t]{0,8}#{1,6}[ \t](?P<heading>(?:(?:next|new|another) )?(?:question|problem|exercise|instruction|input"
    r"|user))"
    r"(?:[ \t][0-9]{1,3})?[ \t]{0,9}$"
    r"|^[ \t]{0,8}(?:now,? |next,? )?(?:let['’]?s |let us )?(?:consider|here is|here['’]s|try|solve|do)[ \t]"
    r"(?P<intro>(?:another|the next|a similar|a new|one more) (?:question|problem|exercise|example|one))\b",
    re.IGNORECASE | re.MULTILINE,
)
_ANY_NAME = re.compile(_NAME)
_DIALOGUE = re.compile(
    r"(?:(?:the |a )?(?:next|new|another|follow[- ]?up|similar) )?(?:question|q|human|user"
    r"|student)\b"
)
_NUMBER = re.compile(r"[0-9]{1,3}$")
_MAX_TURNS = 12
_ECHO_CHARACTERS = 30
"""Characters of a question by which the client's own, repeated, is told from an invented one."""


def cut_control_tokens(reply: str) -> str:
    """The text before the first token that ends or begins a turn; one at the very start is dropped."""
    if "<" not in reply and "[" not in reply:
        return reply.strip()
    start = 0
    for token in _CONTROL.finditer(reply):
        if token[0] == "</s>" and "<s>" in reply[: token.start()]:
            continue
        if reply[start : token.start()].strip():
            return reply[start : token.start()].strip()
        start = token.end()
    return reply[start:].strip()


def cut_invented_turns(reply: str, question: str, has_answer: Callable[[str, bool], bool]) -> str:
    """The text before the first next question that comes after an answer, as `has_answer` finds one.

    Its second argument says whether the turn is clearly one of a dialogue, so that an answer need not be announced.

    A label that the client's question has too (`Question 2:`), and a repetition of that question, end nothing.
    """
    if not _ANY_NAME.search(reply.lower()):
        return reply
    asked = _fold(question)
    for count, turn in enumerate(_TURN.finditer(reply)):
        if count == _MAX_TURNS:
            break
        before = reply[: turn.start()].strip()
        echo = _fold(reply[turn.end() : turn.end() + 4 * _ECHO_CHARACTERS].lstrip(" *_\n\t"))[:_ECHO_CHARACTERS]
        label = _fold(turn["label"] or turn["heading"] or turn["intro"])
        in_dialogue = bool(_DIALOGUE.match(label)) and reply[: turn.start()].endswith("\n\n")
        if before and not _is_own(label, echo, asked) and has_answer(before, in_dialogue):
            return before
    return reply


def _is_own(label: str, echo: str, asked: str) -> bool:
    """Whether the client asked this: the question's words are repeated, or it has a part of this number."""
    number = _NUMBER.search(label)
    numbered = number is not None and (label in asked or re.search(rf"(?<![0-9.]){number[0]}[.):]", asked) is not None)
    return (bool(echo) and echo in asked) or numbered


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())
