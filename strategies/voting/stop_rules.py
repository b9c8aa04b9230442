"""Stop rules of a vote, by the probability that its leader stays the leader."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from cogitate.strategies.voting.ballot import Bloc

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


def is_decided(rule: VoteRule, blocs: Sequence[Bloc], remaining: int, confidence: float) -> bool:
    """Whether the counts decide the vote by `rule` while `remaining` samples are outstanding.

    - `certain`: the leader cannot be overtaken.
    - `beta`: as `certain`, or the posterior that the leader is the more probable of the two leading answers reaches
      `confidence` (Adaptive-Consistency, Aggarwal et al., 2023, arXiv:2305.11860).
    - `predictive` (this project's own): as `certain`, or the probability that the leader still leads when the
      outstanding samples have voted reaches `confidence`. `beta` estimates the winner of a vote of infinitely many
      samples, `predictive` the winner of this vote.
    """
    if rule not in ("certain", "beta", "predictive") or not blocs:
        return False
    first, second, *rest = [*(len(bloc.members) for bloc in blocs), 0]
    if first - second > remaining:
        return True
    if rule == "predictive" and remaining <= MAX_COUNTED_VOTES:
        return lead_probability(first, second, sum(rest), remaining) >= confidence
    return rule != "certain" and majority_posterior(first, second) >= confidence


def default_concurrency(rule: VoteRule, n: int, *, under_load: bool = False) -> int:
    """The default number of samples in flight.

    It is 3/8 of n, so that most samples have not started when the vote is decided; under load it is a quarter of n,
    which is slower and wastes fewer tokens. `beta` needs four samples that agree; `predictive` needs three, and gets a
    quarter fewer. `none` runs all n at once.
    """
    if rule == "none":
        return n
    width = max(4, n * (2 if under_load else 3) // 8)
    return width * 3 // 4 if rule == "predictive" else width


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
