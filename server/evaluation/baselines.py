"""The baselines of every comparison: greedy decoding, the mean sample, the majority vote and the oracle (pass@n)."""

from collections.abc import Sequence
from dataclasses import dataclass

from cogitate.server.evaluation.arms import Arm, parse_arm
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.replay_engine import to_completion
from cogitate.server.evaluation.results import Result
from cogitate.server.evaluation.sample import Sample
from cogitate.server.evaluation.sample_bank import Bank
from cogitate.strategies.core.answer_reader import AnswerReader
from cogitate.strategies.core.prompt import Message, Prompt

GREEDY_ARM = "greedy"
"""The model's most probable answer, without a strategy."""
SAMPLE_ARM = "one sample"
"""Each sample by itself: the row's figures are means over all samples."""


def oracle_name(n: int) -> str:
    """Return the name of the row that counts a question as right where any of n samples is."""
    return f"oracle pass@{n}"


def majority_arm(n: int) -> Arm:
    """Build the majority vote over all n samples, with no stop rule."""
    return parse_arm(f"self_consistency:n={n},stop_rule=none")


def count_repeats(arms: Sequence[Arm], n: int, *, repeats: int = 1, greedy: bool = True) -> dict[str, int]:
    """Return the rows in the order in which they are shown, with how often each answers a question.

    `n`: samples per question; 0 leaves out the rows that are made of samples.
    """
    first = {GREEDY_ARM: 1} if greedy else {}
    of_samples = {SAMPLE_ARM: n, oracle_name(n): 1, majority_arm(n).name: repeats} if n else {}
    return first | of_samples | {arm.name: repeats for arm in arms}


def unique_arms(arms: Sequence[Arm], n: int) -> list[Arm]:
    """Return the majority vote (unless n is 0) and the arms, each once."""
    return list({arm.name: arm for arm in (*([majority_arm(n)] if n else []), *arms)}.values())


@dataclass(frozen=True, slots=True)
class GradedSample:
    """One sample's answer and cost."""

    answer: str | None
    correct: bool
    tokens: int
    prompt: int
    """Tokens of the prompt."""

    def to_result(self, arm: str, question: str, repeat: int = 0) -> Result:
        return Result(
            arm=arm,
            question=question,
            repeat=repeat,
            correct=self.correct,
            answer=self.answer,
            tokens=self.tokens,
            prompt=self.prompt,
            depth=self.tokens,
        )


def sample_results(question: str, samples: Sequence[GradedSample], n: int) -> list[Result]:
    """Build one result per sample, and the oracle's: no rule that chooses among the samples can do better."""
    oracle = Result(
        arm=oracle_name(n),
        question=question,
        correct=any(sample.correct for sample in samples),
        answer="",
        tokens=sum(sample.tokens for sample in samples),
        prompt=samples[0].prompt,
        candidates=len(samples),
        depth=max(sample.tokens for sample in samples),
    )
    return [*(sample.to_result(SAMPLE_ARM, question, at) for at, sample in enumerate(samples)), oracle]


def bank_results(question: Question, bank: Bank, n: int) -> list[Result]:
    """Build the results of greedy, of each sample and of the oracle from a bank's samples of the question.

    Greedy's is left out where the bank has no greedy sample: a bank may be imported from elsewhere.
    """
    sample = bank.greedy(question.id)
    greedy = [grade_sample(question, sample).to_result(GREEDY_ARM, question.id)] if sample else []
    graded = [grade_sample(question, sample) for sample in bank.non_greedy(question.id)]
    return [*greedy, *sample_results(question.id, graded, n)]


def grade_sample(question: Question, sample: Sample) -> GradedSample:
    """Extract the answer of a bank's sample and grade it."""
    extracted = AnswerReader().read(to_completion(Prompt((Message("user", question.text),)), sample))
    answer = question.answer(sample.text, extracted)
    return GradedSample(answer.raw if answer else None, question.is_right(answer), sample.tokens, sample.prompt_tokens)
