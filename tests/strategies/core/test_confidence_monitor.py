import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.core.confidence_monitor import ConfidenceMonitor, token_confidence
from cogitate.strategies.core.logprobs import TokenLogprob
from cogitate.strategies.core.types import ConfidenceThreshold
from cogitate.strategies.voting.confidence import group_confidences, lowest_confidence


def token_of(confidence):
    return TokenLogprob(0, "", -9.0, (TokenLogprob(0, "", -confidence),))


def test_token_confidence_uses_exactly_k_alternatives():
    assert token_confidence(-9, [-1, -2, -3], k=3) == pytest.approx(2)
    assert token_confidence(-9, [-1, -2, -3, -50], k=3) == pytest.approx(2)
    assert token_confidence(-9, [-50, -3, -2, -1], k=3) == pytest.approx(2)


def test_impossible_alternative_does_not_make_a_token_infinitely_confident():
    assert token_confidence(-9, [-1, -math.inf], k=2) == pytest.approx(15.5)


def test_token_without_alternatives_has_the_confidence_of_the_chosen_token():
    assert token_confidence(-0.5, []) == 0.5


@given(st.lists(st.floats(0, 20), max_size=40), st.integers(1, 12), st.floats(0, 20), st.integers(1, 5))
def test_monitor_reports_the_first_full_window_below_the_threshold(confidences, window, threshold, batch):
    """The result does not depend on how many tokens the engine reports at a time."""
    tokens, monitor = list(map(token_of, confidences)), ConfidenceMonitor(ConfidenceThreshold(threshold, window))
    windows = group_confidences(tokens, window) if len(tokens) >= window else []
    if any(abs(group - threshold) < 1e-6 for group in windows):
        return
    fell = next((at for at in range(0, len(tokens), batch) if monitor.update(tokens[at : at + batch])), None)
    first = next((at + window - 1 for at, group in enumerate(windows) if group < threshold), None)
    assert fell == (None if first is None else first // batch * batch)


def test_sample_exactly_at_the_threshold_goes_on():
    tokens = [token_of(confidence) for confidence in (0.1, 0.2, 0.3, 0.7, 1.1) * 200]
    assert not ConfidenceMonitor(ConfidenceThreshold(lowest_confidence(tokens, 7), 7)).update(tokens)
    assert ConfidenceMonitor(ConfidenceThreshold(lowest_confidence(tokens, 7) + 1e-6, 7)).update(tokens)
