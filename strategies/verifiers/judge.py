"""A verdict in one token: P(Yes) against P(No) to "is the solution correct?". Zhang et al., 2024, arXiv:2408.15240.

Deviation: no rationale is decoded. The question comes before the solution, so that all candidates of a request share
its cached prefix; the score is read from log-probabilities alone, so that no solution can talk its way to one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cogitate.strategies.core.label_probs import shares
from cogitate.strategies.core.ports import Ask, Verdict
from cogitate.strategies.core.prompts import GRADER, NO, VERDICT, YES
from cogitate.strategies.core.quoting import inert
from cogitate.strategies.core.types import Completion, Message, Prompt
from cogitate.strategies.verifiers.defaults import Alone

DASHES = re.compile(r"-{10,}")


@dataclass(frozen=True, slots=True)
class Judge(Alone):
    """The engine's own model grades each solution as a whole."""

    needs = frozenset({"logprobs"})

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        asked = await ask([graded(question, solution) for solution in solutions], YES + NO)
        return [Verdict((probability(verdict),) if verdict else ()) for verdict in asked]


def graded(question: Prompt, solution: Completion) -> Prompt:
    said = inert(solution.text.strip())
    text = VERDICT.format(question=inert(question.question.strip()), solution=said, line=fence(said))
    return Prompt((Message("system", GRADER), Message("user", text)))


def fence(text: str) -> str:
    """A line of dashes longer than any in the text, so that the text cannot close its own quotation."""
    return "-" * max(10, *(len(run) + 1 for run in DASHES.findall(text)), 10)


def probability(verdict: Completion) -> float:
    """P(Yes) / (P(Yes) + P(No)), each summed over its spellings; 1/2 where neither was reported."""
    found = shares(verdict, (YES, NO))
    return found[0] if found else 0.5
