"""Confidence intervals, compared with scipy's."""

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap

from cogitate.server.evaluation.statistics import bootstrap_difference, wilson


@pytest.mark.parametrize(("right", "total"), [(0, 10), (10, 10), (45, 100), (1, 3)])
def test_wilson_interval_equals_scipys_for_integer_counts(right: int, total: int):
    theirs = binomtest(right, total).proportion_ci(method="wilson")
    assert wilson(right, total) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


def test_wilson_interval_contains_its_share_also_for_fractional_counts():
    for n in range(1, 1501):
        assert wilson(n, n)[1] == 1.0 and wilson(0, n)[0] == 0.0
        for right in (1 / 3, n / 7, n - 1 / 8):
            low, high = wilson(right, n)
            assert 0.0 <= low <= right / n <= high <= 1.0


def test_wilson_interval_of_no_questions_is_everything():
    assert wilson(0, 0) == (0.0, 1.0)


def test_bootstrap_of_pairs_equals_a_bootstrap_of_their_differences():
    rng = np.random.default_rng(3)
    ours, theirs = rng.integers(0, 2, 200).tolist(), rng.integers(0, 2, 200).tolist()
    differences = (np.subtract(ours, theirs),)
    known = bootstrap(differences, np.mean, n_resamples=10_000, method="percentile", rng=4).confidence_interval
    difference, low, high = bootstrap_difference(ours, theirs)
    assert difference == pytest.approx(np.mean(differences))
    assert (low, high) == pytest.approx((known.low, known.high), abs=0.01)
    assert (difference, low, high) == bootstrap_difference(ours, theirs), "the same for the same seed"
    assert (low, high) != bootstrap_difference(theirs, ours)[1:]


def test_bootstrap_of_equal_pairs_has_no_spread():
    assert bootstrap_difference([1.0, 0.0, 1.0], [1.0, 0.0, 1.0]) == (0.0, 0.0, 0.0)


def test_bootstrap_of_one_question_is_its_difference():
    assert bootstrap_difference([1.0], [0.25]) == (0.75, 0.75, 0.75)
