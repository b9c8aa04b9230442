"""Aggregation of a solution's step scores into one score."""

import math
from collections.abc import Sequence

from cogitate.strategies.core.types import Aggregation


def reduce_steps(steps: Sequence[float], how: Aggregation) -> float | None:
    """Return a solution's score in [0, 1] from its steps' scores; None where there is no step.

    Scores are clipped to [0, 1]; a score that is not finite makes the solution's 0. `min` and `prod` are those of
    Lightman et al. (2023, arXiv:2305.20050), `last` that of Snell et al. (2024, arXiv:2408.03314).
    """
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
