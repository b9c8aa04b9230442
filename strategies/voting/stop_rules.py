"""The arithmetic of votes and scores. Pure."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from cogitate.strategies.core.types import Aggregation
from cogitate.strategies.voting.ballot import Bloc

StopRule = Literal["none", "certain", "beta", "predictive"]
VoteRule = Literal["none", "certain", "beta", "predictive", "windows", "consensus"]
"""The last two look at more than the counts."""
UNDER_LOAD = 0.9
"""The posterior that is enough while others wait for the engine: by the closed form below a leader of 3, 5 or 6 over 0,
1 or 2 others, where 0.95 takes 4, 6 or 8. Ours: Adaptive-Consistency's own default is 0.95."""
COUNTED = 64
"""Votes still to come, at most, whose every outcome is counted, in 1 ms. Of more the limit is taken: less sure."""


def settled(rule: VoteRule, blocs: Sequence[Bloc], remaining: int, confidence: float) -> bool:
    """Whether the vote may stop with `remaining` samples still out.

    "certain": the leader cannot be overtaken. "beta": that, or the posterior that the leader is the more probable of
    the two leading answers reaches `confidence` (Adaptive-Consistency, Aggarwal et al., 2023, arXiv:2305.11860).
    "predictive": that, or it will probably lead still when the samples that are out have voted. Ours: beta asks who
    would win a vote without end, this one who wins the vote that was asked for.
    """
    if rule not in ("certain", "beta", "predictive") or not blocs:
        return False
    first, second, *others = [*(len(bloc.members) for bloc in blocs), 0]
    if first - second > remaining:
        return True
    if rule == "predictive" and remaining <= COUNTED:
        return lead_kept(first, second, sum(others), remaining) >= confidence
    return rule != "certain" and majority_posterior(first, second) >= confidence


def lanes(rule: VoteRule, n: int, *, pressed: bool = False) -> int:
    """Samples in flight: three eighths of n, so that a decided vote finds most not begun; while others wait, which is
    `pressed`, a quarter: slower, and wastes less. beta needs 4 that agree; predictive 3, and has a quarter fewer.
    """
    if rule == "none":
        return n
    width = max(4, n * (2 if pressed else 3) // 8)
    return width * 3 // 4 if rule == "predictive" else width


def majority_posterior(first: int, second: int) -> float:
    """P(p > 1/2) for p ~ Beta(first + 1, second + 1): sum over j <= first of C(first + second + 1, j) / 2^(...)."""
    total = first + second + 1
    favourable: int = sum(math.comb(total, j) for j in range(first + 1))
    return favourable / (1 << total)


@lru_cache(maxsize=10_000)
def lead_kept(first: int, second: int, others: int, remaining: int) -> float:
    """P(the first leads the second still, once `remaining` more have voted).

    The posterior predictive of three shares with a uniform prior, the other answers being one of them: each vote is
    drawn from an urn of first + 1, second + 1 and others + 1 balls, and one more of its kind is put back. Exact: of all
    ways to draw, those that keep the lead. Deviation: of the rivals the second stands for all.
    """
    kept = sum(
        math.comb(first + i, i) * math.comb(second + j, j) * math.comb(others + remaining - i - j, others)
        for i in range(remaining + 1)
        for j in range(min(remaining - i, first + i - second - 1) + 1)
    )
    return kept / math.comb(first + second + others + 2 + remaining, remaining)


def reduce_steps(steps: Sequence[float], how: Aggregation) -> float | None:
    """A solution's score from its steps' scores, in [0, 1]: 0 where one is no number. None where there is no step."""
    if not steps:
        return None
    if not all(math.isfinite(step) for step in steps):
        return 0.0
    clipped = [min(max(step, 0.0), 1.0) for step in steps]
    match how:
        case "last":
            return clipped[-1]
        case "min":
            return min(clipped)
        case "prod":
            return math.prod(clipped)
        case "mean":
            return math.fsum(clipped) / len(clipped)
