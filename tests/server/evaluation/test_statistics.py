"""Intervals against scipy's."""

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap

from cogitate.server.evaluation.statistics import paired, quantile, wilson


@pytest.mark.parametrize(("right", "total"), [(0, 10), (10, 10), (45, 100), (1, 3)])
def test_wilsons_interval_is_scipys(right: int, total: int):
    theirs = binomtest(right, total).proportion_ci(method="wilson")
    assert wilson(right, total) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


def test_a_share_is_within_its_interval():
    for n in range(1, 1501):
        assert wilson(n, n)[1] == 1.0 and wilson(0, n)[0] == 0.0
        for right in (1 / 3, n / 7, n - 1 / 8):
            low, high = wilson(right, n)
            assert 0.0 <= low <= right / n <= high <= 1.0


def test_nothing_asked_says_nothing():
    assert wilson(0, 0) == (0.0, 1.0)


def test_the_paired_bootstrap_is_scipys():
    rng = np.random.default_rng(3)
    ours, theirs = rng.integers(0, 2, 200).tolist(), rng.integers(0, 2, 200).tolist()
    differences = (np.subtract(ours, theirs),)
    known = bootstrap(differences, np.mean, n_resamples=10_000, method="percentile", rng=4).confidence_interval
    difference, low, high = paired(ours, theirs)
    assert difference == pytest.approx(np.mean(differences))
    assert (low, high) == pytest.approx((known.low, known.high), abs=0.01)


def test_pairs_that_never_differ_have_no_spread():
    assert paired([1.0, 0.0, 1.0], [1.0, 0.0, 1.0]) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.95, 1.0])
def test_quantiles_are_numpys(share: float):
    values = sorted(np.random.default_rng(5).normal(size=37).tolist())
    assert quantile(values, share) == pytest.approx(np.quantile(values, share))
