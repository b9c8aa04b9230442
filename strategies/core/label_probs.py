"""Probabilities of the labels of a one-token verdict."""

import math
import string
from collections.abc import Sequence

from cogitate.strategies.core.types import Completion

MAX_LABELS = 20
"""The most tokens whose probabilities an engine reports at once: vLLM's `max_logprobs`, and OpenAI's `top_logprobs`."""


def spell_letters(count: int) -> tuple[tuple[str, ...], ...]:
    """Return the spellings of the first `count` letters, at most MAX_LABELS, as labels.

    Each is spelled with a space before it too, where all of these may be asked for: a reply seldom begins with one.
    """
    letters = string.ascii_uppercase[:count]
    return tuple((letter, f" {letter}") if 2 * count <= MAX_LABELS else (letter,) for letter in letters)


def label_masses(verdict: Completion, labels: Sequence[Sequence[str]]) -> list[float]:
    """Return the probability of each label over the whole vocabulary; 0 where no spelling of it was reported.

    A label is given as its spellings: a tokenizer may spell it in several ways (`Yes`, ` Yes`), whose probabilities add
    up.
    """
    return [
        math.fsum(math.exp(verdict.labels[spelling]) for spelling in label if spelling in verdict.labels)
        for label in labels
    ]


def label_probabilities(verdict: Completion, labels: Sequence[Sequence[str]]) -> list[float] | None:
    """Return the probability of each label among the labels; None where no spelling was reported."""
    masses = label_masses(verdict, labels)
    total = math.fsum(masses)
    return [mass / total for mass in masses] if total > 0 else None
