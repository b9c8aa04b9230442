"""The arithmetic of weighted particles. Pure."""

import math
import random
from collections.abc import Sequence

SURE = 1e-7
"""How near to 0 and 1 a score counts."""


def odds(scores: Sequence[float], temperature: float) -> list[float]:
    """The softmax of the scores' logits."""
    clipped = [min(max(score, SURE), 1 - SURE) for score in scores]
    logits = [math.log(score / (1 - score)) / temperature for score in clipped]
    masses = [math.exp(logit - max(logits)) for logit in logits]
    return [mass / math.fsum(masses) for mass in masses]


def effective(weights: Sequence[float]) -> float:
    """The effective sample size: n where all weigh the same, 1 where one has all the weight."""
    return 1 / math.fsum(weight * weight for weight in weights)


def systematic(weights: Sequence[float], n: int, offset: float) -> list[int]:
    """n draws at even distances, from one offset in [0, 1): i is drawn n * weight times, rounded down or up."""
    ends = [math.fsum(weights[: at + 1]) * n for at in range(len(weights))]
    drawn, at = list[int](), 0
    for draw in range(n):
        while at < len(ends) - 1 and ends[at] <= draw + offset:
            at += 1
        drawn.append(at)
    return drawn


def multinomial(weights: Sequence[float], n: int, chance: random.Random) -> list[int]:
    """n draws, each by itself."""
    return chance.choices(range(len(weights)), weights, k=n)
