"""Stop rules under a prior that is learned from traffic, in place of the uniform one.

Optimal Bayesian Stopping (arXiv:2602.05395) finds that three counts suffice: of the leader, of the second answer, and
of all others. What is learned is the shape of their shares (`VotePrior`): with m, s and o for the majority answer, the
second and the others, the leader is the majority answer with the probability w = 1 / (1 + r), where

    r = G(m + second) G(s + first) / (G(m + first) G(s + second)),    G the gamma function:

the likelihood of the counts where the second answer is the majority, over that where the leader is. The probability
that the leader leads when the outstanding samples have voted is that of two Polya urns, weighted by w and 1 - w.

Deviations: the paper's rule weighs a cost of samples against a loss of accuracy; here a probability is compared with
the request's `confidence`, as without a prior. An answer among the others is not considered as the majority. This
posterior is calibrated, where that of the uniform prior is cautious on easy questions: 0.95 means that one answer in
twenty is not the majority's, so that a learned prior needs a higher `confidence` (deploy/results/launch.md).
"""

import math
from functools import lru_cache

from cogitate.strategies.core.vote_prior import VotePrior

MAX_EXPONENT = 700.0
"""math.exp overflows beyond it."""


@lru_cache(maxsize=10_000)
def leader_probability(prior: VotePrior, first: int, second: int) -> float:
    """P(the leader is the majority answer)."""
    leads = math.lgamma(prior.majority + first) + math.lgamma(prior.second + second)
    trails = math.lgamma(prior.second + first) + math.lgamma(prior.majority + second)
    return 1 / (1 + math.exp(min(trails - leads, MAX_EXPONENT)))


@lru_cache(maxsize=10_000)
def final_lead_probability(prior: VotePrior, first: int, second: int, others: int, remaining: int) -> float:
    """P(the leader still leads the second answer after `remaining` more votes)."""
    sure = leader_probability(prior, first, second)
    lead, rest = first - second, prior.others + others
    right = _urn_lead((prior.majority + first, prior.second + second, rest), lead, remaining)
    wrong = _urn_lead((prior.second + first, prior.majority + second, rest), lead, remaining)
    return sure * right + (1 - sure) * wrong


def _urn_lead(balls: tuple[float, float, float], lead: int, draws: int) -> float:
    """P(the first colour, `lead` ahead, is drawn so often that it stays ahead of the second) in a Polya urn."""
    first, second, others = (_rising(weight, draws) for weight in balls)
    favourable = sum(
        first[i] * second[j] * others[draws - i - j]
        for i in range(draws + 1)
        for j in range(min(draws - i, lead + i - 1) + 1)
    )
    return favourable / _rising(sum(balls), draws)[draws]


def _rising(weight: float, most: int) -> list[float]:
    """The rising factorials of `weight` over k!, for k from 0 to `most`."""
    terms = [1.0]
    for k in range(most):
        terms.append(terms[-1] * (weight + k) / (k + 1))
    return terms
