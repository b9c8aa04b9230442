"""Stop rules of a vote, by the probability that its leader stays the leader."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from cogitate.strategies.core.vote_prior import VotePrior
from cogitate.strategies.voting.ballot import Bloc
from cogitate.strategies.voting.prior import final_lead_probability, leader_probability

StopRule = Literal["none", "certain", "beta", "predictive"]
VoteRule = Literal["none", "certain", "beta", "predictive", "windows", "consensus"]
"""Stop rules of self-consistency. `windows` and `consensus` depend on more than the counts."""
CONFIDENCE_UNDER_LOAD = 0.9
"""The posterior that is enough while other requests wait for the engine. By the closed form of `majority_posterior` it
needs a leader of 3, 5 or 6 votes over 0, 1 or 2, where 0.95 needs 4, 6 or 8. Not from the paper:
Adaptive-Consistency's default is 0.95.
"""
MAX_COUNTED_VOTES = 64
"""Up to this many outstanding votes every outcome is counted exactly (1 ms); beyond it `predictive` uses the limit of
infinitely many votes, which is less certain.
"""


def is_decided(
    rule: VoteRule, blocs: Sequence[Bloc], remaining: int, confidence: float, prior: VotePrior | None = None
) -> bool:
    """Whether the counts decide the vote by `rule` while `remaining` samples are outstanding.

    - `certain`: the leader cannot be overtaken.
    - `beta`: as `certain`, or the posterior that the leader is the more probable of the two leading answers reaches
      `confidence` (Adaptive-Consistency, Aggarwal et al., 2023, arXiv:2305.11860).
    - `predictive` (this project's own): as `certain`, or the probability that the leader still leads when the
      outstanding samples have voted reaches `confidence`. `beta` estimates the winner of a vote of infinitely many
      samples, `predictive` the winner of this vote.

    `prior`: replaces the uniform one of `beta` and `predictive`.
    """
    return bool(blocs) and _is_settled(rule, *count_votes(blocs), remaining, confidence, prior)


def votes_to_settle(
    rule: VoteRule, blocs: Sequence[Bloc], remaining: int, confidence: float, prior: VotePrior | None = None
) -> int:
    """The fewest of the `remaining` samples after which `rule` may stop: those where all vote for the leader.

    `remaining` where even these do not suffice; at least 1.
    """
    first, second, others = count_votes(blocs)
    outstanding = range(1, remaining)
    return 1 + bisect_left(
        outstanding,
        True,
        key=lambda more: _is_settled(rule, first + more, second, others, remaining - more, confidence, prior),
    )


def count_votes(blocs: Sequence[Bloc]) -> tuple[int, int, int]:
    """The votes for the leader, for the second answer, and for all others."""
    first, second, *rest = [*(len(bloc.members) for bloc in blocs), 0, 0]
    return first, second, sum(rest)


def votes_to_share(share: float, first: int, second: int, others: int) -> int:
    """The fewest further votes, all for the leader and of equal weight, with which it has `share` of all votes."""
    return math.ceil((share * (first + second + others) - first) / (1 - share) - 1e-9)


def _is_settled(
    rule: VoteRule,
    first: int,
    second: int,
    others: int,
    remaining: int,
    confidence: float,
    prior: VotePrior | None,
) -> bool:
    if rule not in ("certain", "beta", "predictive"):
        return False
    if first - second > remaining:
        return True
    if rule == "certain":
        return False
    if rule == "predictive" and remaining <= MAX_COUNTED_VOTES:
        final = (first, second, others, remaining)
        return (final_lead_probability(prior, *final) if prior else lead_probability(*final)) >= confidence
    return (leader_probability(prior, first, second) if prior else majority_posterior(first, second)) >= confidence


def majority_posterior(first: int, second: int) -> float:
    """P(p > 1/2) for p ~ Beta(first + 1, second + 1).

    Computed as the sum over j <= first of C(first + second + 1, j), divided by 2^(first + second + 1).
    """
    total = first + second + 1
    favourable: int = sum(math.comb(total, j) for j in range(first + 1))
    return favourable / (1 << total)


@lru_cache(maxsize=10_000)
def lead_probability(first: int, second: int, third: int, remaining: int) -> float:
    """P(the first answer still leads the second after `remaining` more votes).

    `third` counts the votes for all other answers. The posterior predictive of three shares under a uniform prior: each
    vote is drawn from an urn of first + 1, second + 1 and third + 1 balls, and one more of its kind is put back (Polya
    urn). Exact: the draws that keep the lead over all draws. Deviation: the second answer stands for all rivals.
    """
    favourable = sum(
        math.comb(first + i, i) * math.comb(second + j, j) * math.comb(third + remaining - i - j, third)
        for i in range(remaining + 1)
        for j in range(min(remaining - i, first + i - second - 1) + 1)
    )
    return favourable / math.comb(first + second + third + 2 + remaining, remaining)
