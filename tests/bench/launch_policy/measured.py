"""Replays arms over questions, and compares them with intervals by a paired bootstrap over the questions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cogitate.server.evaluation.arms import parse_arm
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.replay import replay
from cogitate.server.evaluation.sample_bank import Bank
from cogitate.strategies.core.vote_prior import VotePrior

RESAMPLES = 2000
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measured:
    """One arm on a bank: arrays of questions by repeats."""

    correct: Numbers
    tokens: Numbers
    depth: Numbers

    def select(self, questions: NDArray[Any]) -> "Measured":
        return Measured(self.correct[questions], self.tokens[questions], self.depth[questions])


def measure_arm(
    arm: str, questions: Sequence[Question], bank: Bank, repeats: int, prior: VotePrior | None = None
) -> Measured:
    """Replay an arm as `cogitate eval` does, each repeat in another order of the samples."""
    parsed = parse_arm(arm)
    results = [
        [replay(parsed, question, bank, repeat, prior=prior) for repeat in range(repeats)] for question in questions
    ]
    fields = ([[float(getattr(result, name)) for result in of] for of in results] for name in Measured.__slots__)
    return Measured(*(np.array(field) for field in fields))


def accuracy(arm: Measured) -> float:
    """In per cent."""
    return float(100 * arm.correct.mean())


def token_ratio(arm: Measured, base: Measured) -> float:
    return float(arm.tokens.sum() / base.tokens.sum())


def median_depth_ratio(arm: Measured, base: Measured) -> float:
    return float(np.median(arm.depth) / np.median(base.depth))


def mean_depth_ratio(arm: Measured, base: Measured) -> float:
    return float(arm.depth.mean() / base.depth.mean())


def gain(arm: Measured, base: Measured) -> float:
    """Points of accuracy over the base."""
    return accuracy(arm) - accuracy(base)


Figure = Callable[[Measured, Measured], float]
Pair = tuple[Measured, Measured]


def estimate(figure: Figure, pairs: Sequence[Pair], *, seed: int = 0) -> tuple[float, float, float]:
    """The mean of a figure over banks, with its 95 % interval; questions are resampled within each bank."""
    rng = np.random.default_rng(seed)
    draws = [[figure(arm.select(at), base.select(at)) for at in _resample(len(arm.tokens), rng)] for arm, base in pairs]
    low, high = np.percentile(np.mean(draws, axis=0), [2.5, 97.5])
    return float(np.mean([figure(*pair) for pair in pairs])), float(low), float(high)


def _resample(size: int, rng: np.random.Generator) -> NDArray[Any]:
    return rng.integers(0, size, (RESAMPLES, size))
