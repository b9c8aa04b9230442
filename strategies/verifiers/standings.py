"""The table of a tournament: who was compared with whom, and how often each solution was preferred.

A solution stands by its win rate weighted by margin, as in V1-Infer (Singh et al., 2026, arXiv:2603.04304): a decided
comparison weighs |2p - 1|, at least MIN_MARGIN, where p is the probability that the judge prefers the first. Whoever
was never beaten stands at 1, so that one who met weak opponents does not overtake the one that beat it, as it may under
the mean of p that LLM-as-a-Verifier takes (arXiv:2607.05391).

Each comparison is asked in one order. The judge's preference for the first place is estimated, as an addend to the
log-odds, from a ring, where each solution stands once at each place: under the Bradley-Terry model the log-odds of a
ring sum to the addend alone. Ours: both papers leave it in.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

MIN_MARGIN = 0.1
"""Weight of a comparison without any margin."""
MAX_LOG_ODDS = 5.0
"""Of one verdict: p lies between 0.7 and 99.3 %."""
Game = tuple[int, int]
"""A comparison: who is shown first, and who second."""


@dataclass(slots=True)
class Standings:
    """The results of `size` solutions so far."""

    size: int
    results: dict[Game, float | None] = field(default_factory=dict)
    """The log-odds that the first is preferred; None where the verdict was lost."""
    advantage: float = 0.0
    """The part of the log-odds that the first place has."""

    def record(self, games: Iterable[Game], shares: Iterable[Sequence[float] | None]) -> None:
        """Record the verdicts on some comparisons: the probabilities of the first and of the second."""
        for game, share in zip(games, shares, strict=True):
            self.results[game] = log_odds(share) if share else None

    def measure_advantage(self, ring: Iterable[Game]) -> None:
        """Estimate the advantage of the first place from a complete ring; none where a verdict of it is lost."""
        odds = [self.results[game] for game in ring]
        known = [each for each in odds if each is not None]
        if len(known) == len(odds):
            self.advantage = math.fsum(known) / len(known)

    def is_open(self, first: int, second: int) -> bool:
        """Return whether these two can be compared in this order: they were not so far."""
        return (first, second) not in self.results

    def have_met(self, a: int, b: int) -> bool:
        return not (self.is_open(a, b) and self.is_open(b, a))

    def open_orders(self, a: int, b: int) -> list[Game]:
        """Return the orders in which two can still be compared."""
        return [order for order in ((a, b), (b, a)) if self.is_open(*order)]

    def count_firsts(self, solution: int) -> int:
        """Return how often a solution stood first, less how often it stood second."""
        return sum((first == solution) - (second == solution) for first, second in self.results)

    @property
    def is_blank(self) -> bool:
        """Whether no verdict has arrived."""
        return all(odds is None for odds in self.results.values())

    def win_rates(self) -> list[float]:
        """Return the weighted win rate of each solution, in [0, 1]; 1/2 where no verdict on it has arrived."""
        won, weight = [0.0] * self.size, [0.0] * self.size
        for (first, second), odds in self.results.items():
            if odds is None:
                continue
            lead = odds - self.advantage
            margin = max(abs(math.tanh(lead / 2)), MIN_MARGIN)
            share = 0.5 if lead == 0 else float(lead > 0)
            for solution, part in ((first, share), (second, 1 - share)):
                won[solution] += margin * part
                weight[solution] += margin
        return [part / whole if whole else 0.5 for part, whole in zip(won, weight, strict=True)]

    def ranking(self) -> list[int]:
        """Return the solutions, the best first; equal ones in their order."""
        rates = self.win_rates()
        return sorted(range(self.size), key=lambda solution: -rates[solution])

    def unbeaten(self) -> list[int]:
        """Return the solutions that no verdict ranks below another."""
        beaten = set[int]()
        for (first, second), odds in self.results.items():
            if odds is not None and odds != self.advantage:
                beaten.add(first if odds < self.advantage else second)
        return [solution for solution in range(self.size) if solution not in beaten]


def log_odds(shares: Sequence[float]) -> float:
    """Return the log-odds of the first of two probabilities, bounded."""
    first, second = shares
    if min(first, second) <= 0:
        return math.copysign(MAX_LOG_ODDS, first - second)
    return max(-MAX_LOG_ODDS, min(MAX_LOG_ODDS, math.log(first / second)))
