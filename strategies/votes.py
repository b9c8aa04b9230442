"""The arithmetic of votes and scores. Pure."""

import math
from collections.abc import Sequence
from typing import Literal

from strategies.ballot import Bloc
from strategies.types import Aggregation

StopRule = Literal["none", "certain", "beta"]
VoteRule = Literal["none", "certain", "beta", "windows", "consensus"]
"""The last two look at more than the counts."""
UNDER_LOAD = 0.9
"""The posterior that is enough while others wait for the engine: by the closed form below a leader of 3, 5 or 6 over 0,
1 or 2 others, where 0.95 takes 4, 6 or 8. Ours: Adaptive-Consistency's own default is 0.95."""


def settled(rule: VoteRule, blocs: Sequence[Bloc], remaining: int, confidence: float) -> bool:
    """Whether the vote may stop with `remaining` samples still out.

    "certain": the leader cannot be overtaken. "beta": that, or the posterior that the leader is the more probable of
    the two leading answers reaches `confidence` (Adaptive-Consistency, Aggarwal et al., 2023, arXiv:2305.11860).
    """
    if rule not in ("certain", "beta") or not blocs:
        return False
    first = len(blocs[0].members)
    second = len(blocs[1].members) if len(blocs) > 1 else 0
    if first - second > remaining:
        return True
    return rule == "beta" and majority_posterior(first, second) >= confidence


def majority_posterior(first: int, second: int) -> float:
    """P(p > 1/2) for p ~ Beta(first + 1, second + 1): sum over j <= first of C(first + second + 1, j) / 2^(...)."""
    total = first + second + 1
    favourable: int = sum(math.comb(total, j) for j in range(first + 1))
    return favourable / (1 << total)


def reduce_steps(steps: Sequence[float], how: Aggregation) -> float:
    """A solution's score from its steps' scores, in [0, 1]; 0 where there is no step or a score is no number."""
    if not steps or not all(math.isfinite(step) for step in steps):
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
