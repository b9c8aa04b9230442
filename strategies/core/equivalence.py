"""Answers that are the same mathematically, under one key: that of the first one read."""

from collections import Counter
from dataclasses import dataclass, field

from cogitate.strategies.answers import is_worth_proving
from cogitate.strategies.core.ports import Prover

MAX_COMPARISONS = 3
"""Only the commonest classes are worth a proof that a new answer belongs to them: they are what a vote turns on."""


@dataclass(slots=True)
class AnswerClasses:
    """The answers of one request."""

    keys: dict[str, str] = field(default_factory=dict)
    sizes: Counter[str] = field(default_factory=Counter)

    async def key(self, key: str, prover: Prover) -> str:
        """The key that it is counted under."""
        if key not in self.keys:
            self.keys[key] = key
            for known, _ in self.sizes.most_common(MAX_COMPARISONS):
                if is_worth_proving(key, known) and await prover.equal(key, known):
                    self.keys[key] = known
                    break
        self.sizes[self.keys[key]] += 1
        return self.keys[key]
