"""How the samples of a bank are to be made, by the flags; and whether flags and a bank that is there agree."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.server.evaluation.few_shot import shots
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.sample import Recipe
from cogitate.strategies.core.prompts import BOXED

MAX_TOKENS = 400
"""Of a candidate, where nobody says how many."""


class Contradiction(CannotEvaluate):
    """Which flag says otherwise than the bank."""


def recipe(given: argparse.Namespace, model: str, questions: Sequence[Question]) -> Recipe:
    return Recipe(
        task=Path(given.task).stem,
        model=model,
        instruction=instruction(given, questions),
        temperature=0.7 if given.temperature is None else given.temperature,
        top_p=1.0 if given.top_p is None else given.top_p,
        max_tokens=given.max_tokens or MAX_TOKENS,
        seed=given.seed,
        shots=[list(shot) for shot in shots(given.shots)],
    )


def instruction(given: argparse.Namespace, questions: Sequence[Question]) -> str:
    """What is put behind a question. One that wants a program says itself what it wants."""
    if given.instruction is not None:
        return str(given.instruction)
    return "" if any(question.program for question in questions) else BOXED


def refuse_contradictions(given: argparse.Namespace, made: Recipe) -> None:
    """Raises Contradiction: a replay makes nothing, and a flag that says how would be lost."""
    flags = {
        "--temperature": (given.temperature, made.temperature),
        "--top-p": (given.top_p, made.top_p),
        "--max-tokens": (given.max_tokens, made.max_tokens),
        "--instruction": (given.instruction, made.instruction),
        "--shots": (given.shots and [list(shot) for shot in shots(given.shots)], made.shots),
    }
    for flag, (said, was) in flags.items():
        if said is not None and said != was:
            raise Contradiction(f"{flag}: the samples of {given.bank} were drawn otherwise, and a replay draws none")
