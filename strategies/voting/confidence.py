"""How certain a model was of each stretch of what it wrote, from log-probabilities it reported. Pure.

DeepConf, Fu et al., 2025, arXiv:2508.15260: a token's confidence is minus the mean log-probability of its k likeliest
alternatives; a group's is the mean over a sliding window of tokens; a trace's that of its least confident groups.
Deviations: the window follows the answers' length, since the paper's 2048 tokens never slide over a short answer; and
k is 5, not 20, since every alternative of every token has to be carried.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, starmap
from statistics import median

from cogitate.strategies.core.logprobs import TokenLogprob, packed
from cogitate.strategies.core.types import Floor

ALTERNATIVES = 5
"""k. As many as the verifier of the same name reads."""
SHORTEST, LONGEST = 16, 2048
"""Tokens in a window; the longest is the paper's."""
WINDOWS = 8
"""A window is this part of a typical answer."""
KEPT = {"low": 0.1, "high": 0.9}
"""The share of the warm-up that is not below the floor: the paper's eta, as DeepConf-low and -high have it."""
LEAST_CONFIDENT = 0.1
"""The share of windows that stands for a trace: the paper's bottom-10%."""
ROUNDING = 1e-9
"""A sum that slides is not exact: as confident as the floor is confident enough."""
FLOOR = -30.0
"""Stands for a probability of nothing, which an engine reports as minus infinity."""


def window_of(lengths: Sequence[int]) -> int:
    """The tokens in a window, by the median length of the answers that are compared."""
    return round(min(max(median(lengths) / WINDOWS, SHORTEST), LONGEST)) if lengths else SHORTEST


def token_confidence(chosen: float, others: Sequence[float], k: int = ALTERNATIVES) -> float:
    """Higher is surer. Over exactly the k likeliest: an engine may add the chosen token as one more."""
    best = sorted(others, reverse=True)[:k] or [chosen]
    if best[-1] < FLOOR:
        best = [max(logprob, FLOOR) for logprob in best]
    return -math.fsum(best) / len(best)


def group_confidences(tokens: Sequence[TokenLogprob], window: int) -> list[float]:
    """The mean over each window, sliding by one token; of a text shorter than one, its mean; of nothing, nothing."""
    if not tokens:
        return []
    width = min(window, len(tokens))
    sums = [0.0, *accumulate(starmap(token_confidence, packed(tokens).likelihoods()))]
    return [(end - start) / width for start, end in zip(sums, sums[width:], strict=False)]


def lowest_confidence(tokens: Sequence[TokenLogprob], window: int) -> float:
    """That of the least confident window; 0 where nothing was reported."""
    return min(group_confidences(tokens, window), default=0.0)


def percentile(values: Sequence[float], share: float) -> float:
    """What that share of the values is below, between two of them in proportion; 0 of nothing."""
    ranked = sorted(values)
    if not ranked:
        return 0.0
    at = share * (len(ranked) - 1)
    low = int(at)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (ranked[high] - ranked[low]) * (at - low)


@dataclass(slots=True)
class Watch:
    """Follows a sample as it is decoded, for the engine that may end it."""

    floor: Floor
    _recent: deque[float] = field(default_factory=deque)
    _total: float = 0.0

    def falls(self, tokens: Sequence[TokenLogprob]) -> bool:
        """Takes in more of it. Whether a whole window of tokens is below the floor: sooner nobody knows."""
        for chosen, others in packed(tokens).likelihoods():
            self._recent.append(token_confidence(chosen, others))
            self._total += self._recent[-1]
            if len(self._recent) > self.floor.window:
                self._total -= self._recent.popleft()
            full = len(self._recent) == self.floor.window
            if full and self._total / self.floor.window < self.floor.confidence - ROUNDING:
                return True
        return False


def trace_confidence(tokens: Sequence[TokenLogprob], window: int) -> float:
    """The mean of the least confident tenth of the windows, at least one; 0 where nothing was reported."""
    groups = sorted(group_confidences(tokens, window))
    weakest = groups[: max(1, round(len(groups) * LEAST_CONFIDENT))]
    return max(0.0, math.fsum(weakest) / len(weakest)) if weakest else 0.0
