"""The shape of a prior on votes, which an operator learns from traffic."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VotePrior:
    """Parameters of a Dirichlet distribution, each above 0: of the majority answer, the second, and all others."""

    majority: float
    second: float
    others: float
