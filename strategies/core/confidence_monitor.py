"""Stopping a sample whose confidence falls below its threshold, as engines do while they decode.

DeepConf, Fu et al., 2025, arXiv:2508.15260: a token's confidence is minus the mean log-probability of its k likeliest
alternatives, and a sample ends where the mean over a window of tokens falls below a threshold. Deviation: k is 5 rather
than 20, because every alternative of every token has to be carried.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from cogitate.strategies.core.logprobs import TokenLogprob, pack
from cogitate.strategies.core.types import ConfidenceThreshold

TOP_ALTERNATIVES = 5
"""Alternatives per token. OpenAI's API reports at most 20; the cost of carrying them grows with each."""
MIN_LOGPROB = -30.0
"""Replaces minus infinity, which an engine may report for a probability of 0."""
ROUNDING_TOLERANCE = 1e-9
"""Allows for the rounding error of the running sum, so that a sample exactly at the threshold is not stopped."""


def token_confidence(chosen: float, alternatives: Sequence[float], k: int = TOP_ALTERNATIVES) -> float:
    """Return minus the mean log-probability, in nats, of the k likeliest alternatives; higher is surer.

    Exactly k are used: an engine may report the chosen token as one more. Without alternatives the chosen token's own
    log-probability is used.
    """
    best = sorted(alternatives, reverse=True)[:k] or [chosen]
    if best[-1] < MIN_LOGPROB:
        best = [max(logprob, MIN_LOGPROB) for logprob in best]
    return -math.fsum(best) / len(best)


@dataclass(slots=True)
class ConfidenceMonitor:
    """Follows one sample while it is decoded and reports when its confidence falls below the threshold."""

    threshold: ConfidenceThreshold
    _recent: deque[float] = field(default_factory=deque)
    _total: float = 0.0

    def update(self, tokens: Sequence[TokenLogprob]) -> bool:
        """Add decoded tokens; return whether a full window is now below the threshold.

        Nothing is reported before the first full window.
        """
        for chosen, alternatives in pack(tokens).likelihoods():
            self._recent.append(token_confidence(chosen, alternatives))
            self._total += self._recent[-1]
            if len(self._recent) > self.threshold.window:
                self._total -= self._recent.popleft()
            full = len(self._recent) == self.threshold.window
            if full and self._total / self.threshold.window < self.threshold.confidence - ROUNDING_TOLERANCE:
                return True
        return False
