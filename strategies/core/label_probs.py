"""Probabilities of the labels of a one-token verdict."""

import math
from collections.abc import Sequence

from cogitate.strategies.core.types import Completion


def label_probabilities(verdict: Completion, labels: Sequence[Sequence[str]]) -> list[float] | None:
    """Return the probability of each label, given as its spellings; None where no spelling was reported.

    A tokeniser may spell a label in several ways (`Yes`, ` Yes`), whose probabilities add up. The result is normalised
    over the labels.
    """
    masses = [
        math.fsum(math.exp(verdict.labels[spelling]) for spelling in label if spelling in verdict.labels)
        for label in labels
    ]
    total = math.fsum(masses)
    return [mass / total for mass in masses] if total > 0 else None
