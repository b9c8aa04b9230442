"""An answer as shown, and the canonical key by which its votes are counted."""

from dataclasses import dataclass
from typing import Literal

AnswerFormat = Literal["auto", "boxed", "number", "choice", "json", "text"]
"""How the answer of a reply is read."""
Rule = Literal["json", "boxed", "hash", "phrase", "choice", "number", "text", "tool", "program"]
"""The rule that read an answer."""

MAX_ANSWER_CHARACTERS = 500
"""The longest answer that is read, JSON and text answers excepted."""
MAX_TEXT_CHARACTERS = 20_000
"""The last so many characters of a reply, or of a question, are read."""

_PLACEHOLDERS = frozenset(
    ("", "?", "answer", "the answer", "your answer", "final answer", "your final answer", "your answer here")
    + ("...", "\\ldots", "\\cdots", "\\dots", "\\square", "\\quad", "as follows", "below")
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer read from a reply."""

    raw: str
    """As the model wrote it."""
    key: str
    """The canonical form by which votes are counted."""
    rule: Rule


def is_placeholder(raw: str) -> bool:
    """Whether the text repeats the instructions (`\\boxed{}`, `Answer: [your answer]`) instead of answering."""
    bare = raw.strip(" \t\n$<>[]{}:").casefold()
    return bare in _PLACEHOLDERS or bare.startswith("\\phantom")
