"""Equivalence classes of a request's answers, so that mathematically equal answers count as one."""

from collections import Counter
from dataclasses import dataclass, field

from cogitate.strategies.answers import is_worth_proving
from cogitate.strategies.core.ports import Prover

MAX_COMPARISONS = 3
"""A new answer is compared with the largest classes only, which are those that decide a vote."""


@dataclass(slots=True)
class AnswerClasses:
    """The classes of one request. A class has the key of its first answer."""

    keys: dict[str, str] = field(default_factory=dict)
    sizes: Counter[str] = field(default_factory=Counter)

    async def key(self, key: str, prover: Prover) -> str:
        """Add an answer by its canonical key, and return the key of its class."""
        if key not in self.keys:
            self.keys[key] = key
            for known, _ in self.sizes.most_common(MAX_COMPARISONS):
                if is_worth_proving(key, known) and await prover.equal(key, known):
                    self.keys[key] = known
                    break
        self.sizes[self.keys[key]] += 1
        return self.keys[key]
