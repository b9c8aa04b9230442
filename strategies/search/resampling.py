"""Weights and resampling of particles."""

import math
import random
from collections.abc import Sequence

SCORE_MARGIN = 1e-7
"""Scores are clipped to [SCORE_MARGIN, 1 - SCORE_MARGIN], so that their logits are finite."""


def odds(scores: Sequence[float], temperature: float) -> list[float]:
    """The softmax of the scores' logits at a temperature: at 1 the normalised odds score / (1 - score).

    These are the particle weights of Puri et al., 2025, arXiv:2502.01618, who take a reward model's logit as the
    log-weight; a score in [0, 1] is turned back into its logit here.
    """
    clipped = [min(max(score, SCORE_MARGIN), 1 - SCORE_MARGIN) for score in scores]
    logits = [math.log(score / (1 - score)) / temperature for score in clipped]
    masses = [math.exp(logit - max(logits)) for logit in logits]
    return [mass / math.fsum(masses) for mass in masses]


def effective_sample_size(weights: Sequence[float]) -> float:
    """1 / sum of squared weights (Kish): n for n equal weights, 1 where one particle has all the weight."""
    return 1 / math.fsum(weight * weight for weight in weights)


def draw_systematic(weights: Sequence[float], n: int, offset: float) -> list[int]:
    """Systematic resampling: n draws at even distances from one offset in [0, 1).

    Index i is drawn n * weight times, rounded down or up. Its variance is usually lower than that of multinomial
    resampling (compared by Douc and Cappe, 2005, arXiv:cs/0507025).
    """
    ends = [math.fsum(weights[: index + 1]) * n for index in range(len(weights))]
    draws, index = list[int](), 0
    for draw in range(n):
        while index < len(ends) - 1 and ends[index] <= draw + offset:
            index += 1
        draws.append(index)
    return draws


def draw_multinomial(weights: Sequence[float], n: int, rng: random.Random) -> list[int]:
    """Multinomial resampling: n independent draws."""
    return rng.choices(range(len(weights)), weights, k=n)
