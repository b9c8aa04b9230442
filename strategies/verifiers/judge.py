"""Generative verifier with a one-token verdict: P(Yes) against P(No) to "is the solution correct?".

Zhang et al., 2024, arXiv:2408.15240. With `rationale_tokens` it is their GenRM-CoT: a rationale precedes the verdict.
Deviations: by default no rationale is decoded; one greedy rationale stands for the mean over several; and the verdict
is asked for in a turn of its own, which needs no continued text of the engine. The question precedes the solution, so
that all candidates of a request share its cached prefix; the score is read from log-probabilities alone, so that a
solution's text cannot set its score.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cogitate.strategies.core.label_probs import label_probabilities
from cogitate.strategies.core.ports import Ask, Verdict
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.prompts import GRADER, IS_CORRECT, NO, RATIONALE, VERDICT, YES
from cogitate.strategies.core.quoting import break_control_tokens
from cogitate.strategies.core.types import Completion
from cogitate.strategies.verifiers.defaults import VerifierDefaults

DASHES = re.compile(r"-{10,}")


@dataclass(frozen=True, slots=True)
class Judge(VerifierDefaults):
    """Grades each solution with the engine's own model."""

    rationale_tokens: int = 0
    """The most tokens of a rationale; 0: none."""
    needs = frozenset({"logprobs"})

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        if not self.rationale_tokens:
            verdicts = await ask([build_judge_prompt(question, solution) for solution in solutions], YES + NO)
            return [Verdict((probability_correct(verdict),) if verdict else ()) for verdict in verdicts]
        prompts = [build_judge_prompt(question, solution, RATIONALE) for solution in solutions]
        rationales = await ask(prompts, max_tokens=self.rationale_tokens, greedy=True)
        written = {at: ask_for_verdict(rationale) for at, rationale in enumerate(rationales) if rationale}
        replies = dict(zip(written, await ask(list(written.values()), YES + NO), strict=True))
        return [
            Verdict((probability_correct(verdict),) if (verdict := replies.get(at)) else ())
            for at in range(len(solutions))
        ]


def build_judge_prompt(question: Prompt, solution: Completion, task: str = IS_CORRECT) -> Prompt:
    """Build the prompt that quotes the question and the solution, and asks for the verdict or another task."""
    quoted = break_control_tokens(solution.text.strip())
    text = VERDICT.format(
        question=break_control_tokens(question.question.strip()), solution=quoted, line=build_fence(quoted), task=task
    )
    return Prompt((Message("system", GRADER), Message("user", text)), parent=solution.index)


def ask_for_verdict(rationale: Completion) -> Prompt:
    """Build the prompt that asks for the verdict after a rationale."""
    written = Message("assistant", break_control_tokens(rationale.text.strip()))
    return Prompt((*rationale.prompt.messages, written, Message("user", IS_CORRECT)), parent=rationale.index)


def build_fence(text: str) -> str:
    """A line of dashes longer than any in the text, so that the text cannot close its own quotation."""
    return "-" * max(10, *(len(run) + 1 for run in DASHES.findall(text)), 10)


def probability_correct(verdict: Completion) -> float:
    """P(Yes) / (P(Yes) + P(No)), each summed over its spellings; 0.5 where neither was reported."""
    probabilities = label_probabilities(verdict, (YES, NO))
    return probabilities[0] if probabilities else 0.5
