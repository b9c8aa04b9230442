"""Reads the answer from a reply, and computes the key by which votes for it are counted."""

from cogitate.strategies.answers.answer import Answer, AnswerFormat, Classes, Rule
from cogitate.strategies.answers.canonical import canonical
from cogitate.strategies.answers.compare import compare_keys
from cogitate.strategies.answers.extract import answer_from_value, extract
from cogitate.strategies.answers.numbers import to_decimal
from cogitate.strategies.answers.question_type import asks_for_number
from cogitate.strategies.answers.tool_calls import answer_from_calls, narrow_to_fields

__all__ = [
    "Answer",
    "AnswerFormat",
    "Classes",
    "Rule",
    "asks_for_number",
    "answer_from_calls",
    "canonical",
    "compare_keys",
    "extract",
    "answer_from_value",
    "narrow_to_fields",
    "to_decimal",
]
