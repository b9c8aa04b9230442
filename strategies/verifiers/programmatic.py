"""Checks the arithmetic in a solution: a process verifier that needs no model.

A step's score is (correct + 1/2) / (total + 1) over the equations so far: the posterior mean of the share of correct
equations under Jeffreys' prior Beta(1/2, 1/2), also known as the Krichevsky-Trofimov estimator; Laplace's rule of
succession is the same with Beta(1, 1). It is 1/2 where nothing can be checked, and tends to 1 or 0 with each equation
that holds or does not. It does not tell whether the right quantities were combined. No paper: ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from cogitate.strategies.core.offload import offload
from cogitate.strategies.core.ports import Ask, Verdict
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion
from cogitate.strategies.verifiers.arithmetic import check_equations
from cogitate.strategies.verifiers.defaults import VerifierDefaults

STEP_SEPARATOR = "\n\n"
"""Ends a reasoning step."""
MAX_EQUATIONS_PER_STEP = 200
MAX_SOLUTION_CHARACTERS = 20_000
"""The last so many characters of a solution are read."""


@dataclass(frozen=True, slots=True)
class Programmatic(VerifierDefaults):
    """Evaluates the equations in each step exactly."""

    is_pure = True

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        return [await offload(partial(judge_text, each.text), len(each.text)) for each in solutions]


def judge_text(text: str) -> Verdict:
    """One score per step of the text."""
    return Verdict(tuple(score_steps(split_steps(text))))


def split_steps(text: str) -> list[str]:
    """The steps of a solution, without blank ones: a trailing separator starts no new step."""
    return [step for step in text[-MAX_SOLUTION_CHARACTERS:].split(STEP_SEPARATOR) if step.strip()]


def score_steps(steps: Sequence[str]) -> list[float]:
    """One score per step, each over the equations up to its end."""
    correct = total = 0
    scores = []
    for step in steps:
        for holds in islice(check_equations(step), MAX_EQUATIONS_PER_STEP):
            correct, total = correct + holds, total + 1
        scores.append((correct + 0.5) / (total + 1))
    return scores
