"""The arithmetic of votes and scores. Pure; the order in which samples arrive never changes a result."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from strategies.types import Outcome

Aggregation = Literal["last", "min", "prod", "mean"]
StopRule = Literal["none", "certain", "beta"]
Weight = Callable[[Outcome], float]


@dataclass(frozen=True, slots=True)
class Bloc:
    """The candidates that gave one answer."""

    members: tuple[Outcome, ...]
    weight: float

    @property
    def rank(self) -> tuple[float, int, float, int]:
        """Larger wins. Ties: the higher count, then the likelier member, then the earliest sample; never chance."""
        return (
            self.weight,
            len(self.members),
            max(_likelihood(member) for member in self.members),
            -min(member.completion.index for member in self.members),
        )

    @property
    def representative(self) -> Outcome:
        """The member to show: the verifier's favourite, else the likeliest, else the shortest, else the earliest."""
        return max(
            self.members,
            key=lambda m: (m.score or 0.0, _likelihood(m), -len(m.completion.text), -m.completion.index),
        )


def one(_: Outcome) -> float:
    """Every vote counts the same."""
    return 1.0


def score_of(outcome: Outcome) -> float:
    """Votes weigh what the verifier gave them."""
    return outcome.score or 0.0


def tally(outcomes: Sequence[Outcome], weight: Weight = one) -> list[Bloc]:
    """The blocs, the winner first. An outcome without an answer abstains. Weights add up and must be >= 0."""
    members: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.answer is not None:
            members.setdefault(outcome.answer.key, []).append(outcome)
    blocs = [Bloc(tuple(bloc), math.fsum(map(weight, bloc))) for bloc in members.values()]
    return sorted(blocs, key=lambda bloc: bloc.rank, reverse=True)


def best(outcomes: Sequence[Outcome]) -> Outcome:
    """The highest score; ties go to the likelier, then to the earliest sample."""
    return max(outcomes, key=lambda o: (o.score or 0.0, _likelihood(o), -o.completion.index))


def settled(rule: StopRule, blocs: Sequence[Bloc], remaining: int, confidence: float) -> bool:
    """Whether the vote may stop with `remaining` samples still out.

    "certain": the leader cannot be overtaken. "beta": that, or the posterior that the leader is the more probable of
    the two leading answers reaches `confidence` (Adaptive-Consistency, Aggarwal et al., 2023, arXiv:2305.11860).
    """
    if rule == "none" or not blocs:
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


def _likelihood(outcome: Outcome) -> float:
    mean = outcome.completion.mean_logprob
    return -math.inf if mean is None else mean
