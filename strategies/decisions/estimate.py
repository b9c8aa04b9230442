"""The mean of a question's reads, and how much they differ. Sums are exactly rounded, so their order has no effect."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cogitate.strategies.decisions.question import Order

Masses = Sequence[float]
"""The probability of each option over the whole vocabulary, in one read."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the reads of one question say together."""

    probabilities: tuple[float, ...]
    """The mean probability of each option; their sum is 1."""
    best: int
    """The most probable option; of equal ones the first of the question's base order."""
    reads: int
    """The reads of which this is the mean."""
    spread: float
    """The largest difference between two reads in the probability of one option."""
    agreement: float
    """The share of the reads whose own most probable option is `best`."""
    label_mass: float
    """The mean probability that the model gives to the letters at all, over its whole vocabulary."""

    @property
    def confidence(self) -> float:
        """The probability of the best option over the whole vocabulary, as vLLM defines it."""
        return self.probabilities[self.best] * self.label_mass


def average(reads: Sequence[Masses], base_order: Order) -> Estimate | None:
    """Return the mean of the reads; None where no read gives any option a probability."""
    shares = [[mass / total for mass in masses] for masses in reads if (total := math.fsum(masses)) > 0]
    if not shares:
        return None
    by_option = list(zip(*shares, strict=True))
    means = tuple(math.fsum(option) / len(shares) for option in by_option)
    best = pick_best(means, base_order)
    return Estimate(
        probabilities=means,
        best=best,
        reads=len(shares),
        spread=max(max(option) - min(option) for option in by_option),
        agreement=sum(pick_best(share, base_order) == best for share in shares) / len(shares),
        label_mass=math.fsum(min(math.fsum(masses), 1.0) for masses in reads) / len(reads),
    )


def pick_best(probabilities: Sequence[float], base_order: Order) -> int:
    """Return the most probable option; of equal ones the first in `base_order`."""
    return max(base_order, key=probabilities.__getitem__)
