"""From the text of a reply to the answer it gives, and to the key on which votes for it are counted. Pure."""

from cogitate.strategies.answers.answer import Answer, AnswerFormat, Rule
from cogitate.strategies.answers.canonical import canonical
from cogitate.strategies.answers.extract import extract, given
from cogitate.strategies.answers.numbers import numeric
from cogitate.strategies.answers.question_type import asks_for_number
from cogitate.strategies.answers.tool_calls import called, narrowed
from cogitate.strategies.answers.worth_proving import provable

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
