"""Token, window and trace confidence, computed from reported log-probabilities.

DeepConf, Fu et al., 2025, arXiv:2508.15260: a token's confidence is minus the mean log-probability of its k likeliest
alternatives; a group's confidence is the mean over a sliding window of tokens; a trace's confidence is that of its
least confident groups.

Deviations: the window is proportional to the length of the answers, because a short answer fits entirely into the
paper's window of 2048 tokens; k is 5 rather than 20, because the engine has to report, and the server to store, every
alternative of every token.
"""

import math
from collections.abc import Sequence
from itertools import accumulate, starmap
from statistics import median

from cogitate.strategies.core.confidence_monitor import token_confidence
from cogitate.strategies.core.logprobs import TokenLogprob, pack

MIN_WINDOW_TOKENS, MAX_WINDOW_TOKENS = 16, 2048
"""Bounds of the window; 2048 is the paper's fixed window."""
WINDOWS_PER_ANSWER = 8
"""The median answer length divided by this is the window."""
WARMUP_SHARE = {"low": 0.1, "high": 0.9}
"""The share of the warm-up samples that stays above the confidence threshold: the paper's eta for DeepConf-low and
DeepConf-high.
"""
BOTTOM_SHARE = 0.1
"""The share of windows that a trace's confidence is averaged over: the paper's bottom 10%."""


def window_length(lengths: Sequence[int]) -> int:
    """The window in tokens for answers of these lengths."""
    return (
        round(min(max(median(lengths) / WINDOWS_PER_ANSWER, MIN_WINDOW_TOKENS), MAX_WINDOW_TOKENS))
        if lengths
        else MIN_WINDOW_TOKENS
    )


def group_confidences(tokens: Sequence[TokenLogprob], window: int) -> list[float]:
    """The mean token confidence of each window, sliding by one token.

    A text shorter than the window has one group, an empty text none.
    """
    if not tokens:
        return []
    width = min(window, len(tokens))
    sums = [0.0, *accumulate(starmap(token_confidence, pack(tokens).likelihoods()))]
    return [(end - start) / width for start, end in zip(sums, sums[width:], strict=False)]


def lowest_confidence(tokens: Sequence[TokenLogprob], window: int) -> float:
    """The confidence of the least confident window; 0 where no log-probabilities were reported."""
    return min(group_confidences(tokens, window), default=0.0)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which the given share of `values` lies, interpolated linearly; 0 for no values."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def trace_confidence(tokens: Sequence[TokenLogprob], window: int) -> float:
    """The mean confidence of the least confident tenth of the windows, at least one.

    0 where no log-probabilities were reported.
    """
    groups = sorted(group_confidences(tokens, window))
    weakest = groups[: max(1, round(len(groups) * BOTTOM_SHARE))]
    return max(0.0, math.fsum(weakest) / len(weakest)) if weakest else 0.0
