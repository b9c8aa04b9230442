"""A verdict in one token: what its probability says of labels that a tokeniser may spell in several ways. Pure."""

import math
from collections.abc import Sequence

from cogitate.strategies.core.types import Completion


def label_probabilities(verdict: Completion, labels: Sequence[Sequence[str]]) -> list[float] | None:
    """The share of each label, summed over its spellings; they add up to 1. None where none of them was reported."""
    masses = [
        math.fsum(math.exp(verdict.labels[spelling]) for spelling in label if spelling in verdict.labels)
        for label in labels
    ]
    total = math.fsum(masses)
    return [mass / total for mass in masses] if total > 0 else None
