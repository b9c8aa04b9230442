import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as some

from cogitate.strategies.search.resampling import effective, odds, systematic


@given(
    some.lists(some.floats(0.001, 1), min_size=1, max_size=20),
    some.integers(1, 64),
    some.floats(0, 1, exclude_max=True),
)
def test_each_is_drawn_n_times_its_weight_rounded_down_or_up(masses, n, offset):
    weights = [mass / math.fsum(masses) for mass in masses]
    drawn = systematic(weights, n, offset)
    counts = Counter(drawn)
    assert len(drawn) == n and drawn == sorted(drawn)
    for at, weight in enumerate(weights):
        assert math.floor(n * weight - 1e-9) <= counts[at] <= math.ceil(n * weight + 1e-9)


def test_over_all_offsets_each_is_drawn_as_often_as_it_weighs():
    weights, offsets = [0.15, 0.6, 0.25], 1000
    drawn = Counter(at for i in range(offsets) for at in systematic(weights, 4, (i + 0.5) / offsets))
    assert [drawn[at] / offsets / 4 for at in range(3)] == pytest.approx(weights, abs=1e-3)


def test_the_weights_are_the_odds():
    assert odds([0.5, 0.8, 0.2], 1.0) == pytest.approx([1 / 5.25, 4 / 5.25, 0.25 / 5.25])
    assert odds([0.5, 0.8], 2.0) == pytest.approx([1 / 3, 2 / 3])
    certain = odds([1.0, 1.0, 0.0], 0.01)
    assert certain == pytest.approx([0.5, 0.5, 0.0])


def test_the_effective_size_runs_from_one_to_all():
    assert effective([0.25] * 4) == pytest.approx(4) and effective([1.0, 0.0]) == 1
    assert effective([0.5, 0.5, 0.0]) == pytest.approx(2)
