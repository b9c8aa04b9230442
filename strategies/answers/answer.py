"""An answer as shown, and the canonical key by which its votes are counted."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

AnswerFormat = Literal["auto", "boxed", "number", "choice", "json", "text"]
"""How the answer of a reply is read."""
Rule = Literal["json", "boxed", "hash", "phrase", "choice", "number", "text", "tool", "program"]
"""The rule that read an answer."""

MAX_ANSWER_CHARACTERS = 500
"""The longest answer that is read where nothing delimits it; a box, a tag, JSON and text may be as long as the text."""
MAX_TEXT_CHARACTERS = 20_000
"""The last so many characters of a reply, or of a question, are read."""

_PLACEHOLDERS = frozenset(
    ("", "?", "answer", "the answer", "your answer", "final answer", "your final answer", "your answer here")
    + (
        "number",
        "your final answer here",
        "final answer here",
        "answer here",
        "x.xx",
        "insert answer",
        "put answer here",
    )
    + ("...", "\\ldots", "\\cdots", "\\dots", "\\square", "\\quad", "as follows", "below")
)
_EMPTY_COLLECTIONS = frozenset(("[]", "{}", "()", "\\{\\}", "[ ]", "{ }", "\\{ \\}"))
"""Answers, and no placeholders: the callers see to it that something asks for a collection."""


class Classes(Protocol):
    """The classes of equal answers of one request, which change while its answers come."""

    @property
    def version(self) -> int:
        """A number that grows whenever they may have changed."""

    def key_of(self, key: str) -> str:
        """The key of the class that an answer is in now."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer read from a reply."""

    raw: str
    """As the model wrote it."""
    key: str
    """The canonical form."""
    rule: Rule
    classes: Classes | None = field(default=None, repr=False, compare=False)
    """The classes of its request; None: it is alone."""

    @property
    def class_key(self) -> str:
        """The key by which its vote is counted now: that of its class."""
        return self.classes.key_of(self.key) if self.classes else self.key

    def is_in_class_of(self, key: str) -> bool:
        """Whether its vote is counted with those of this key."""
        return self.class_key == (self.classes.key_of(key) if self.classes else key)


def is_placeholder(raw: str) -> bool:
    """Whether the text repeats the instructions (`\\boxed{}`, `Answer: [your answer]`) instead of answering."""
    bare = raw.strip(" \t\n$<>[]{}:").casefold()
    if raw.strip(" \t\n$") in _EMPTY_COLLECTIONS:
        return False
    return bare in _PLACEHOLDERS or bare.startswith("\\phantom")
