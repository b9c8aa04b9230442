"""One question of a task, with the rule that decides which answers are right."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.server.evaluation.few_shot import Shots, build_messages
from cogitate.server.evaluation.reference import Grade
from cogitate.strategies.answers import Answer
from cogitate.strategies.core.program_value import extract_program


class BadTask(CannotEvaluate):
    """The task does not exist or cannot be read."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its reference answer and how answers to it are graded."""

    id: str
    text: str
    gold: str
    """The reference answer."""
    grade: Grade = field(repr=False, compare=False)
    entry: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The data set's row, unchanged."""
    program: bool = False
    """Whether the program in the response's text is graded, instead of an answer that is extracted from it."""
    choice: bool = False
    """Whether only the answer as written is graded: its canonical form may be the text of another choice."""
    shots: Shots = ()

    def messages(self, instruction: str = "") -> list[dict[str, str]]:
        """Build the chat messages that ask the question, with the instruction appended."""
        return build_messages(self.shots, self.text + instruction)

    def answer(self, text: str, extracted: Answer | None) -> Answer | None:
        """Return what is graded of a response: the program in its text, or the answer extracted from it."""
        if not self.program:
            return extracted
        source = extract_program(text)
        return Answer(source, source, "program") if source else None

    def is_right(self, answer: Answer | None) -> bool:
        """Whether the answer is right, as written or in its canonical form."""
        if answer is None:
            return self.grade(None)
        return any(map(self.grade, {answer.raw} if self.choice else {answer.raw, answer.key}))
