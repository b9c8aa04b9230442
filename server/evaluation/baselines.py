"""What stands beside every strategy: greedy, the mean sample, and the oracle that passes if any sample is right."""

from collections.abc import Sequence

from server.evaluation.bank import GREEDY, Bank, Sample
from server.evaluation.question import Question
from server.evaluation.replay import completion
from server.evaluation.results import Result
from strategies.reading import Reading
from strategies.types import Message, Prompt

ONE = "one sample"
"""The arm whose figures are the mean of all samples."""


def greedy(question: Question, bank: Bank) -> list[Result]:
    """None where the bank has no greedy sample: one that was made elsewhere may have none."""
    sample = bank.samples[question.id].get(GREEDY)
    return [one("greedy", question, 0, sample)] if sample else []


def oracle(question: Question, bank: Bank, n: int) -> Result:
    """pass@n: one of n samples is right. No strategy that chooses among them does better."""
    samples = bank.drawn(question.id)[:n]
    right = any(read(question, sample)[1] for sample in samples)
    return Result(
        arm=f"oracle pass@{n}",
        question=question.id,
        correct=right,
        answer="",
        tokens=sum(sample.tokens for sample in samples),
        prompt=samples[0].prompt_tokens,
        candidates=len(samples),
        depth=max(sample.tokens for sample in samples),
    )


def single(question: Question, bank: Bank) -> list[Result]:
    """Every sample by itself: its mean is what one sample is worth."""
    return [one(ONE, question, at, sample) for at, sample in enumerate(bank.drawn(question.id))]


def one(arm: str, question: Question, at: int, sample: Sample) -> Result:
    answer, right = read(question, sample)
    return Result(
        arm=arm,
        question=question.id,
        repeat=at,
        correct=right,
        answer=answer,
        tokens=sample.tokens,
        prompt=sample.prompt_tokens,
        depth=sample.tokens,
    )


def read(question: Question, sample: Sample) -> tuple[str | None, bool]:
    read = Reading().answer(completion(Prompt((Message("user", question.text),)), sample))
    answer = question.answer(sample.text, read)
    return (answer.raw if answer else None), question.right(answer)


def beside(questions: Sequence[Question], bank: Bank, n: int) -> list[Result]:
    return [
        result
        for question in questions
        for result in (*greedy(question, bank), *single(question, bank), oracle(question, bank, n))
    ]
