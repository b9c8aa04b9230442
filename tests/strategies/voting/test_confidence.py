import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.core.logprobs import TokenLogprob
from cogitate.strategies.voting.confidence import (
    group_confidences,
    lowest_confidence,
    percentile,
    trace_confidence,
    window_length,
)


def token(*logprobs, chosen=-9.0):
    return TokenLogprob(0, "", chosen, tuple(TokenLogprob(at, "", logprob) for at, logprob in enumerate(logprobs)))


def flat(confidence):
    return token(-confidence)


@pytest.mark.parametrize(
    ("lengths", "window"), [([], 16), ([3, 5], 16), ([400], 50), ([80, 800, 8000], 100), ([10**6], 2048)]
)
def test_window_length_follows_the_median_answer_length(lengths, window):
    assert window_length(lengths) == window


def test_group_confidences_slide_by_one_token():
    assert group_confidences([flat(1), flat(2), flat(6), flat(1)], 2) == pytest.approx([1.5, 4, 3.5])


def test_text_shorter_than_the_window_is_one_group_and_empty_text_none():
    assert group_confidences([flat(1), flat(3)], 16) == pytest.approx([2])
    assert group_confidences([], 16) == [] and trace_confidence([], 16) == 0


def test_trace_confidence_is_the_mean_of_the_least_confident_tenth():
    tokens = [flat(5)] * 30 + [flat(1)] * 4 + [flat(5)] * 30
    assert trace_confidence(tokens, 4) < 3 < trace_confidence([flat(5)] * 64, 4)
    groups = sorted(group_confidences(tokens, 4))
    assert trace_confidence(tokens, 4) == pytest.approx(sum(groups[:6]) / 6)


@given(st.lists(st.floats(0, 20), max_size=40), st.integers(1, 50))
def test_confidences_lie_between_0_and_the_highest_token_confidence(confidences, window):
    confidence = trace_confidence(list(map(flat, confidences)), window)
    assert 0 <= confidence <= max(confidences, default=0) + 1e-9


def test_lowest_confidence_is_that_of_a_single_window():
    assert lowest_confidence([flat(5)] * 8 + [flat(1)] * 4 + [flat(5)] * 8, 4) == pytest.approx(1)
    assert lowest_confidence([], 4) == 0


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=20), st.floats(0, 1))
def test_percentile_equals_the_standard_library(values, share):
    expected = statistics.quantiles(values, n=4, method="inclusive")[2] if len(values) > 1 else values[0]
    assert percentile(values, 0.75) == pytest.approx(expected)
    assert min(values) - 1e-9 <= percentile(values, share) <= max(values) + 1e-9


def test_percentile_of_no_values_is_0():
    assert percentile([], 0.9) == 0
