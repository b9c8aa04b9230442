import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as some

from cogitate.strategies.search.resampling import draw_multinomial, draw_systematic, effective_sample_size, odds


@given(
    some.lists(some.floats(0.001, 1), min_size=1, max_size=20),
    some.integers(1, 64),
    some.floats(0, 1, exclude_max=True),
)
def test_systematic_draws_each_index_n_times_its_weight_rounded(masses, n, offset):
    weights = [mass / math.fsum(masses) for mass in masses]
    draws = draw_systematic(weights, n, offset)
    counts = Counter(draws)
    assert len(draws) == n and draws == sorted(draws)
    for index, weight in enumerate(weights):
        assert math.floor(n * weight - 1e-9) <= counts[index] <= math.ceil(n * weight + 1e-9)


def test_systematic_draws_are_unbiased_over_all_offsets():
    weights, offsets = [0.15, 0.6, 0.25], 1000
    draws = Counter(index for i in range(offsets) for index in draw_systematic(weights, 4, (i + 0.5) / offsets))
    assert [draws[index] / offsets / 4 for index in range(3)] == pytest.approx(weights, abs=1e-3)


def test_multinomial_draws_follow_the_weights():
    draws = Counter(draw_multinomial([0.0, 0.25, 0.75], 4000, random.Random(1)))
    assert draws[0] == 0 and draws[2] == pytest.approx(3000, abs=120)


def test_odds_are_normalised_and_flattened_by_temperature():
    assert odds([0.5, 0.8, 0.2], 1.0) == pytest.approx([1 / 5.25, 4 / 5.25, 0.25 / 5.25])
    assert odds([0.5, 0.8], 2.0) == pytest.approx([1 / 3, 2 / 3])


def test_odds_of_scores_0_and_1_are_finite():
    assert odds([1.0, 1.0, 0.0], 0.01) == pytest.approx([0.5, 0.5, 0.0])


def test_effective_sample_size_is_n_for_equal_weights_and_1_for_a_single_one():
    assert effective_sample_size([0.25] * 4) == pytest.approx(4) and effective_sample_size([1.0, 0.0]) == 1
    assert effective_sample_size([0.5, 0.5, 0.0]) == pytest.approx(2)
