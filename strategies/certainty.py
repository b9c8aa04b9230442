"""How certain a model was of each stretch of what it wrote, from log-probabilities it reported. Pure.

DeepConf, Fu et al., 2025, arXiv:2508.15260: a token's confidence is minus the mean log-probability of its k likeliest
alternatives; a group's is the mean over a sliding window of tokens; a trace's that of its least confident groups.
Deviations: the window follows the answers' length, since the paper's 2048 tokens never slide over a short answer; and
k is 5, not 20, since every alternative of every token has to be carried.
"""

import math
from collections.abc import Sequence
from itertools import accumulate
from statistics import median

from strategies.types import TokenLogprob

ALTERNATIVES = 5
"""k. As many as the verifier of the same name reads."""
SHORTEST, LONGEST = 16, 2048
"""Tokens in a window; the longest is the paper's."""
WINDOWS = 8
"""A window is this part of a typical answer."""
LEAST_CONFIDENT = 0.1
"""The share of windows that stands for a trace: the paper's bottom-10%."""
FLOOR = -30.0
"""Stands for a probability of nothing, which an engine reports as minus infinity."""


def window_of(lengths: Sequence[int]) -> int:
    """The tokens in a window, by the median length of the answers that are compared."""
    return round(min(max(median(lengths) / WINDOWS, SHORTEST), LONGEST)) if lengths else SHORTEST


def token_confidence(token: TokenLogprob, k: int = ALTERNATIVES) -> float:
    """Higher is surer. Over exactly the k likeliest: an engine may add the chosen token as one more."""
    best = sorted((other.logprob for other in token.top), reverse=True)[:k] or [token.logprob]
    return -math.fsum(max(logprob, FLOOR) for logprob in best) / len(best)


def group_confidences(tokens: Sequence[TokenLogprob], window: int) -> list[float]:
    """The mean over each window, sliding by one token; of a text shorter than one, its mean; of nothing, nothing."""
    if not tokens:
        return []
    width = min(window, len(tokens))
    sums = [0.0, *accumulate(map(token_confidence, tokens))]
    return [(end - start) / width for start, end in zip(sums, sums[width:], strict=False)]


def trace_confidence(tokens: Sequence[TokenLogprob], window: int) -> float:
    """The mean of the least confident tenth of the windows, at least one; 0 where nothing was reported."""
    groups = sorted(group_confidences(tokens, window))
    weakest = groups[: max(1, round(len(groups) * LEAST_CONFIDENT))]
    return max(0.0, math.fsum(weakest) / len(weakest)) if weakest else 0.0
