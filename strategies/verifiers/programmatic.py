"""Checks the arithmetic a solution writes down: a process verifier that needs no model.

A step's score is the share of the equations written so far that hold, with half an equation assumed right and half
wrong: 1/2 where nothing can be checked, towards 1 with every equation that holds, towards 0 with every one that does
not. It says nothing of whether the right quantities were combined.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from cogitate.strategies.core.offload import apart
from cogitate.strategies.core.ports import Ask, Verdict
from cogitate.strategies.core.types import Completion, Prompt
from cogitate.strategies.verifiers.arithmetic import equations
from cogitate.strategies.verifiers.defaults import Alone

SEPARATOR = "\n\n"
"""What ends a step."""
MOST_EQUATIONS = 200
MOST_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class Programmatic(Alone):
    """Exact arithmetic over the equations in each step."""

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        return [await apart(partial(verdict, each.text), len(each.text)) for each in solutions]


def verdict(text: str) -> Verdict:
    return Verdict(tuple(checked(steps_of(text))))


def steps_of(text: str) -> list[str]:
    """A solution's steps. Never an empty last one: a trailing separator ends a step and begins none."""
    return [step for step in text[-MOST_CHARACTERS:].split(SEPARATOR) if step.strip()]


def checked(steps: Sequence[str]) -> list[float]:
    """One score per step."""
    right = total = 0
    scores = []
    for step in steps:
        for holds in islice(equations(step), MOST_EQUATIONS):
            right, total = right + holds, total + 1
        scores.append((right + 0.5) / (total + 1))
    return scores
