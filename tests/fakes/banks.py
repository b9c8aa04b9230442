"""Builds banks of invented samples from their answers and lengths."""

from collections.abc import Sequence

from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.reference import equality_grade
from cogitate.server.evaluation.sample import GREEDY_INDEX, Recipe, Sample
from cogitate.server.evaluation.sample_bank import Bank

RECIPE = Recipe(task="sums", model="scripted", instruction="")


def sample(question: str, index: int, answer: str | None, tokens: int = 10) -> Sample:
    """Build a sample with a boxed answer; None: without an answer."""
    return Sample(
        question=question,
        index=index,
        seed=index,
        text="I do not know" if answer is None else f"So \\boxed{{{answer}}}",
        finish="stop",
        tokens=tokens,
        prompt_tokens=7,
        logprobs=[-0.5],
        top=[[-0.5, -1.5]],
    )


def question(name: str = "sums:0", gold: str = "1") -> Question:
    return Question(name, "What is 0 + 1?", gold, equality_grade(gold))


def bank_of(answers: Sequence[str | None], tokens: Sequence[int] | None = None, name: str = "sums:0") -> Bank:
    """Build a bank of one question; the first answer is also the greedy one. `tokens`: 10 each by default."""
    bank = Bank(RECIPE)
    lengths = tokens or [10] * len(answers)
    bank.add(sample(name, GREEDY_INDEX, answers[0], lengths[0]))
    for index, (answer, length) in enumerate(zip(answers, lengths, strict=True)):
        bank.add(sample(name, index, answer, length))
    return bank
