"""What a bank tells of a question by itself: its greedy answer, each sample's, and the oracle's."""

from server.evaluation.bank import Bank
from server.evaluation.baselines import GREEDY, Graded, sampled
from server.evaluation.lookup import completion
from server.evaluation.question import Question
from server.evaluation.results import Result
from server.evaluation.sample import Sample
from strategies.reading import Reading
from strategies.types import Message, Prompt


def beside(question: Question, bank: Bank, n: int) -> list[Result]:
    """No greedy one where the bank has none: it may have been made elsewhere."""
    first = bank.greedy(question.id)
    greedy = [graded(question, first).result(GREEDY, question.id)] if first else []
    return [*greedy, *sampled(question.id, [graded(question, sample) for sample in bank.drawn(question.id)], n)]


def graded(question: Question, sample: Sample) -> Graded:
    read = Reading().answer(completion(Prompt((Message("user", question.text),)), sample))
    answer = question.answer(sample.text, read)
    return Graded(answer.raw if answer else None, question.right(answer), sample.tokens, sample.prompt_tokens)
