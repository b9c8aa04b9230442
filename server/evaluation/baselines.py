"""What stands beside every strategy: greedy, the mean sample, the oracle that passes if any is right, and all votes."""

from collections.abc import Sequence
from dataclasses import dataclass

from cogitate.server.evaluation.arms import Arm, arm
from cogitate.server.evaluation.results import Result

GREEDY = "greedy"
"""The arm that is no strategy: the engine's own, most probable answer."""
ONE = "one sample"
"""The arm whose figures are the mean of all samples."""


def oracle(n: int) -> str:
    return f"oracle pass@{n}"


def majority(n: int) -> Arm:
    """The plain vote of all n."""
    return arm(f"self_consistency:n={n},stop_rule=none")


def rows(arms: Sequence[Arm], n: int, *, repeats: int = 1, greedy: bool = True) -> dict[str, int]:
    """In the order in which they are shown, each with how often it answers a question. Without samples n is 0."""
    first = {GREEDY: 1} if greedy else {}
    beside = {ONE: n, oracle(n): 1, majority(n).name: repeats} if n else {}
    return first | beside | {one.name: repeats for one in arms}


def compared(arms: Sequence[Arm], n: int) -> list[Arm]:
    """Each once, the majority first."""
    return list({one.name: one for one in (*([majority(n)] if n else []), *arms)}.values())


@dataclass(frozen=True, slots=True)
class Graded:
    """One sample, as it was read."""

    answer: str | None
    correct: bool
    tokens: int
    prompt: int

    def result(self, arm: str, question: str, repeat: int = 0) -> Result:
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


def sampled(question: str, samples: Sequence[Graded], n: int) -> list[Result]:
    """Every sample by itself: the mean is what one is worth. And pass@n: whoever chooses among them does no better."""
    best = Result(
        arm=oracle(n),
        question=question,
        correct=any(sample.correct for sample in samples),
        answer="",
        tokens=sum(sample.tokens for sample in samples),
        prompt=samples[0].prompt,
        candidates=len(samples),
        depth=max(sample.tokens for sample in samples),
    )
    return [*(sample.result(ONE, question, at) for at, sample in enumerate(samples)), best]
