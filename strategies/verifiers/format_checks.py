"""Whether a solution has a form at all: checks that cost no token, to stand before another verifier.

number and json: whether such an answer can be read, as its vote would be. regex and json_schema: whether what is said
when the thinking is done is as the client wrote down; patterns and schemas come from outside, and each check ends after
a bounded time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from cogitate.strategies.answers import AnswerFormat
from cogitate.strategies.checks import Pattern, Schema, json_in
from cogitate.strategies.core.answer_reader import Reading
from cogitate.strategies.core.offload import apart
from cogitate.strategies.core.ports import Ask, Verdict
from cogitate.strategies.core.quoting import reply
from cogitate.strategies.core.types import Completion, Prompt
from cogitate.strategies.verifiers.defaults import Alone


@dataclass(frozen=True, slots=True)
class Form(Alone):
    """1 where a solution passes, else 0."""

    passes: Callable[[Prompt, Completion], bool]

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        """One solution at a time, between which others have their turn."""
        return [await apart(partial(self._verdict, question, each), len(each.text)) for each in solutions]

    def _verdict(self, question: Prompt, solution: Completion) -> Verdict:
        return Verdict((1.0 if self.passes(question, solution) else 0.0,))


def readable(format: AnswerFormat) -> Form:
    """Whether an answer of this form can be read: the last number of a text that was cut off is none."""
    reading = Reading(format=format)
    return Form(lambda question, solution: reading.answer(solution) is not None)


def matching(pattern: str) -> Form:
    """Whether the pattern is found in the reply. Raises ValueError for what is no pattern."""
    expression = Pattern(pattern)
    return Form(lambda question, solution: expression.found(reply(solution)))


def conforming(schema: dict[str, object]) -> Form:
    """Whether the reply holds JSON that conforms. Raises ValueError for what is no schema."""
    shape = Schema(schema)
    return Form(lambda question, solution: any(map(shape.fits, json_in(reply(solution)) or ())))
