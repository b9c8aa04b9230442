"""Whether a solution gives an answer of a form at all: a check that costs nothing, to stand before another one."""

from collections.abc import Sequence
from dataclasses import dataclass

from strategies.answers import AnswerFormat, extract
from strategies.ports import Ability, Ask, Verdict
from strategies.types import Completion, Prompt


@dataclass(frozen=True, slots=True)
class Form:
    """1 where an answer of this form can be read from a solution, else 0."""

    format: AnswerFormat
    logprobs: None = None
    needs: frozenset[Ability] = frozenset()
    compares: bool = False

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        found = (extract(solution.text, self.format, question.question) for solution in solutions)
        return [Verdict((1.0 if answer else 0.0,)) for answer in found]
