from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cogitate.strategies.verifiers.countdown_solver import is_reachable, reduce_ratio


def enumerate_values(numbers: tuple[Fraction, ...]) -> set[Fraction]:
    """All values of the numbers: any two are combined, in every way, until one is left."""
    if len(numbers) == 1:
        return {numbers[0]}
    values = set()
    for a, b, *rest in permutations(numbers):
        for value in {a + b, a - b, a * b, *([a / b] if b else [])}:
            values |= enumerate_values((value, *rest))
    return values


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-3, 12), min_size=1, max_size=4), st.data())
def test_solver_equals_brute_force(numbers, data):
    values = enumerate_values(tuple(map(Fraction, numbers)))
    pairs = tuple(sorted((number, 1) for number in numbers))
    some = data.draw(st.lists(st.sampled_from(sorted(values)), min_size=1, max_size=20))
    for value in [*some, *map(Fraction, range(-30, 70)), *(Fraction(at, 6) for at in range(-30, 30))]:
        assert is_reachable(pairs, value.as_integer_ratio()) is (value in values)


@pytest.mark.parametrize(
    ("numbers", "target", "can"),
    [
        ((3, 3, 8, 8), 24, True),  # 8 / (3 - 8 / 3)
        ((1, 3, 4, 6), 24, True),  # 6 / (1 - 3 / 4)
        ((1, 1, 1, 1), 24, False),
        ((6, 61, 94, 4), 309, True),
        ((2, 2), 5, False),
        ((25, 50, 75, 100, 3, 6), 952, True),
        ((0, 5), 0, True),
        ((0, 3, 5, 7), 0, True),
        ((7,), 7, True),
        ((97, 98, 99, 100, 89, 83), 1, True),
        ((2, 2, 2, 2, 2, 2), 65, False),
    ],
)
def test_known_games_are_decided(numbers, target, can):
    assert is_reachable(tuple(sorted((number, 1) for number in numbers)), (target, 1)) is can


def test_ratios_are_in_lowest_terms_with_a_positive_denominator():
    assert (reduce_ratio(6, -4), reduce_ratio(-6, -4), reduce_ratio(0, -7)) == ((-3, 2), (3, 2), (0, 1))
