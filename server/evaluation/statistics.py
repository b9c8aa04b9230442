"""Confidence intervals: Wilson's for a share, and a paired bootstrap for a difference of means."""

import importlib
import math
from collections.abc import Sequence
from typing import Any

Z_95 = 1.959964
"""Quantile of the normal distribution for a two-sided interval of 95 %."""
RESAMPLES = 10_000


def wilson(right: float, total: int, z: float = Z_95) -> tuple[float, float]:
    """Return Wilson's score interval of the share right / total, which contains the share.

    `right` may be a fraction, the mean of several repeats. That is why this is not scipy's
    `binomtest(...).proportion_ci(method="wilson")`, which takes whole counts only and gives the same interval for them.
    """
    if not total:
        return 0.0, 1.0
    share = right / total
    centre = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return min(share, max(0.0, (centre - spread) / scale)), max(share, min(1.0, (centre + spread) / scale))


def mean(values: Sequence[float]) -> float:
    """Return the mean; 0 of no values."""
    return math.fsum(values) / len(values) if values else 0.0


def bootstrap_difference(
    first: Sequence[float], second: Sequence[float], *, seed: int = 0
) -> tuple[float, float, float]:
    """Return the mean of `first` less `second` over the same questions, with its 95 % interval: mean, low, high.

    The interval is that of a percentile bootstrap that resamples questions. scipy is imported here and not with the
    module, because it belongs to the extra `eval` and takes a second to import.
    """
    difference = mean([a - b for a, b in zip(first, second, strict=True)])
    if len(first) < 2:  # scipy needs two observations
        return difference, difference, difference

    def statistic(a: Any, b: Any, axis: int) -> Any:  # noqa: ANN401 numpy's arrays
        return (a - b).mean(axis=axis)

    interval = (
        importlib.import_module("scipy.stats")
        .bootstrap(
            (first, second), statistic, paired=True, n_resamples=RESAMPLES, batch=1000, method="percentile", rng=seed
        )
        .confidence_interval
    )
    return difference, float(interval.low), float(interval.high)
