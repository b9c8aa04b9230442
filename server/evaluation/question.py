"""One thing that is asked, with what counts as right."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.server.evaluation.few_shot import Shots, turns
from cogitate.server.evaluation.scoring import Grade
from cogitate.strategies.answers import Answer
from cogitate.strategies.core.program_value import program_in


class BadTask(CannotEvaluate):
    """Why there is no such task."""


@dataclass(frozen=True, slots=True)
class Question:
    """`grade` says whether an answer is right; None is none."""

    id: str
    text: str
    gold: str
    grade: Grade = field(repr=False, compare=False)
    entry: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The row as it came."""
    program: bool = False
    """What is graded is the program that the text writes, not an answer that is read from it."""
    choice: bool = False
    """It is graded as it was written: what reads like a letter may be the text of another choice."""
    shots: Shots = ()

    def turns(self, instruction: str = "") -> list[dict[str, str]]:
        """The conversation that asks it, the instruction behind it."""
        return turns(self.shots, self.text + instruction)

    def answer(self, text: str, read: Answer | None) -> Answer | None:
        """What it is graded by: the program that the text writes, or what was read from it."""
        if not self.program:
            return read
        source = program_in(text)
        return Answer(source, source, "program") if source else None

    def right(self, answer: Answer | None) -> bool:
        """Whether it is, as it was written or in its canonical form."""
        if answer is None:
            return self.grade(None)
        return any(map(self.grade, {answer.raw} if self.choice else {answer.raw, answer.key}))
