"""Which of a bank's samples are compared: as many of one question as of another, and answers to these very ones."""

from collections.abc import Sequence

from cogitate.server.evaluation.provenance import digest
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.sample_bank import BadBank, Bank


def evened(bank: Bank, questions: Sequence[Question]) -> tuple[int, Bank]:
    """N, and a bank of exactly N samples of each question that has so many.

    N is where most samples are compared; of two that are as good, the larger.
    """
    counts = {question.id: len(bank.drawn(question.id)) for question in questions}
    n = max(counts.values(), key=lambda n: (n * sum(count >= n for count in counts.values()), n), default=0)
    even = Bank(bank.recipe)
    for question, count in counts.items():
        for sample in (bank.greedy(question), *bank.drawn(question)[:n]) if count >= n > 0 else ():
            even.add(sample)
    return n, even


def refuse_others(bank: Bank, questions: Sequence[Question]) -> None:
    """Raises BadBank where samples answer a question of another text."""
    for question in questions:
        known = ("", digest(question.text))
        if any(sample.asked not in known for sample in bank.held(question.id)):
            raise BadBank(f"this bank's samples answer another question than {question.id} is: choose another file")
