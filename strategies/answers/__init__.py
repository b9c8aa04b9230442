"""From the text of a reply to the answer it gives, and to the key on which votes for it are counted. Pure."""

from strategies.answers.answer import Answer, AnswerFormat, Rule
from strategies.answers.calls import called, narrowed
from strategies.answers.canonical import canonical
from strategies.answers.extract import extract, given
from strategies.answers.numbers import numeric
from strategies.answers.provable import provable
from strategies.answers.question import asks_for_number

__all__ = [
    "Answer",
    "AnswerFormat",
    "Rule",
    "asks_for_number",
    "called",
    "canonical",
    "extract",
    "given",
    "narrowed",
    "numeric",
    "provable",
]
