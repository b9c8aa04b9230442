"""Fine-grained verifier: one letter of a scale of twenty, scored by the expectation over the letters' probabilities.

LLM-as-a-Verifier (Kwok et al., 2026, arXiv:2607.05391, equation 3.1): A is the best letter and T the worst, and the
score is the mean of the letters' values under the model's distribution, averaged over criteria. A distribution over
twenty letters ties less often than one over Yes and No. The question and the solution precede the criterion, so that
all criteria of a solution share one cached prefix, and all solutions that of the question.

Deviations: one solution is graded at a time, as wherever `judge` is allowed; the paper grades two side by side, for
which there is `pairwise`. A criterion is read once, since a greedy read repeats itself. Where the model gives the
letters less than MIN_LETTER_MASS of its probability the verdict is lost, with a warning: the paper then reads the text,
or scores 0.5. A solution is scored by all criteria or not at all, since some criteria are graded lower than others.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cogitate.strategies.core.label_probs import MAX_LABELS, label_masses, spell_letters
from cogitate.strategies.core.ports import Ask, Verdict
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.prompts import CRITERION, CRITERION_OF_CORRECTNESS, GRADE, SCALE
from cogitate.strategies.core.quoting import break_control_tokens
from cogitate.strategies.core.types import Completion
from cogitate.strategies.verifiers.defaults import VerifierDefaults
from cogitate.strategies.verifiers.judge import build_fence

LETTERS = spell_letters(MAX_LABELS)
"""The spellings of each letter, the best first. A capital letter is one token in every vocabulary in use."""
VALUES = tuple(1 - at / (len(LETTERS) - 1) for at in range(len(LETTERS)))
"""Of each letter: from 1 to 0."""
MIN_LETTER_MASS = 0.25
"""The least probability of all letters together, over the whole vocabulary, of which a score is read. A remote engine
reports the likeliest tokens alone: a letter that is missing there has less than each of them."""
FEW_LETTERS = (
    f"graded: the model gave the letters of the scale less than {MIN_LETTER_MASS:.0%} of its probability; such "
    "verdicts are lost"
)


@dataclass(frozen=True, slots=True)
class Graded(VerifierDefaults):
    """Grades each solution with the engine's own model, by each criterion."""

    criteria: tuple[str, ...] = ()
    """Empty: correctness and completeness."""
    needs = frozenset({"logprobs"})

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        criteria = self.criteria or (CRITERION_OF_CORRECTNESS,)
        spellings = tuple(spelling for letter in LETTERS for spelling in letter)
        prompts = [build_grade_prompt(question, each, criterion) for each in solutions for criterion in criteria]
        grades = iter(await ask(prompts, spellings))
        return [build_verdict([next(grades) for _ in criteria]) for _ in solutions]


def build_verdict(grades: Sequence[Completion | None]) -> Verdict:
    """Average the criteria's scores of one solution; lost where one of them is."""
    scores = [expect_value(grade) if grade else None for grade in grades]
    read = [score for score in scores if score is not None]
    if len(read) == len(scores):
        return Verdict((math.fsum(read) / len(read),))
    is_vague = any(grade and score is None for grade, score in zip(grades, scores, strict=True))
    return Verdict((), warnings=(FEW_LETTERS,) if is_vague else ())


def expect_value(grade: Completion) -> float | None:
    """Return the letters' mean value under their probabilities; None where they have too little of all probability."""
    masses = label_masses(grade, LETTERS)
    total = math.fsum(masses)
    if total < MIN_LETTER_MASS:
        return None
    return math.fsum(mass * value for mass, value in zip(masses, VALUES, strict=True)) / total


def build_grade_prompt(question: Prompt, solution: Completion, criterion: str) -> Prompt:
    """Build the prompt: the scale, the question, the solution, and last what differs between criteria."""
    quoted = break_control_tokens(solution.text.strip())
    text = GRADE.format(
        question=break_control_tokens(question.question.strip()), solution=quoted, line=build_fence(quoted)
    )
    asked = CRITERION.format(criterion=break_control_tokens(criterion.strip()))
    return Prompt((Message("system", SCALE), Message("user", text + asked)), parent=solution.index)
