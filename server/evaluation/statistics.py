"""How sure a figure is: Wilson's interval for a share, a paired bootstrap for a difference. Pure."""

import math
import random
from collections.abc import Sequence

Z = 1.959964
"""Of the normal distribution, for 95 %."""
DRAWS = 10_000


def wilson(right: float, total: int, z: float = Z) -> tuple[float, float]:
    """The interval of a share, which is always within. `right` may be a fraction: the mean of several passes."""
    if not total:
        return 0.0, 1.0
    share = right / total
    centre = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return min(share, max(0.0, (centre - spread) / scale)), max(share, min(1.0, (centre + spread) / scale))


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0


def paired(ours: Sequence[float], theirs: Sequence[float], *, seed: int = 0) -> tuple[float, float, float]:
    """The mean difference over the same questions, and its 95 % interval, questions drawn again with replacement."""
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    rng = random.Random(seed)
    means = sorted(mean(rng.choices(differences, k=len(differences))) for _ in range(DRAWS))
    return mean(differences), quantile(means, 0.025), quantile(means, 0.975)


def quantile(ordered: Sequence[float], share: float) -> float:
    """Of values in order, linear between neighbours, as numpy's."""
    if not ordered:
        return 0.0
    at = share * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)
