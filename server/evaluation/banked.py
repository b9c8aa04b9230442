"""What a bank tells of a question by itself: its greedy answer, each sample's, and the oracle's."""

from cogitate.server.evaluation.baselines import GREEDY, Graded, sampled
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.replay_engine import completion
from cogitate.server.evaluation.results import Result
from cogitate.server.evaluation.sample import Sample
from cogitate.server.evaluation.sample_bank import Bank
from cogitate.strategies.core.answer_reader import Reading
from cogitate.strategies.core.types import Message, Prompt


def beside(question: Question, bank: Bank, n: int) -> list[Result]:
    """No greedy one where the bank has none: it may have been made elsewhere."""
    first = bank.greedy(question.id)
    greedy = [graded(question, first).result(GREEDY, question.id)] if first else []
    return [*greedy, *sampled(question.id, [graded(question, sample) for sample in bank.drawn(question.id)], n)]


def graded(question: Question, sample: Sample) -> Graded:
    read = Reading().answer(completion(Prompt((Message("user", question.text),)), sample))
    answer = question.answer(sample.text, read)
    return Graded(answer.raw if answer else None, question.right(answer), sample.tokens, sample.prompt_tokens)
