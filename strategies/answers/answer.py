"""What a vote is cast for: an answer as shown, and the canonical key it is counted on."""

from dataclasses import dataclass
from typing import Literal

AnswerFormat = Literal["auto", "boxed", "number", "choice", "json", "text"]
Rule = Literal["json", "boxed", "hash", "phrase", "choice", "number", "text", "tool", "program"]

LONGEST_ANSWER = 500
LONGEST_TEXT = 20_000

_PLACEHOLDERS = frozenset(
    ("", "?", "answer", "the answer", "your answer", "final answer", "your final answer", "your answer here")
    + ("...", "\\ldots", "\\cdots", "\\dots", "\\square", "\\quad", "as follows", "below")
)


@dataclass(frozen=True, slots=True)
class Answer:
    """`raw` is shown to a person, `key` is what votes are counted on, `rule` says how it was read."""

    raw: str
    key: str
    rule: Rule


def placeholder(raw: str) -> bool:
    """True where the model echoed the instructions (`\\boxed{}`, `Answer: [your answer]`) and answered nothing."""
    bare = raw.strip(" \t\n$<>[]{}:").casefold()
    return bare in _PLACEHOLDERS or bare.startswith("\\phantom")
