import importlib
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.voting.stop_rules import MAX_COUNTED_VOTES, is_decided, lead_probability, majority_posterior
from tests.strategies.voting.test_ballot import outcomes, tally


def exact_posterior(first, second):
    """The integral of the Beta density over [1/2, 1], term by term in exact fractions."""
    total = first + second + 1
    return Fraction(sum(math.comb(total, j) for j in range(first + 1)), 2**total)


@given(st.integers(0, 200), st.integers(0, 200))
def test_majority_posterior_equals_the_exact_integral(first, second):
    special = importlib.import_module("scipy.special")
    expected = special.betainc(second + 1, first + 1, 0.5)
    assert majority_posterior(first, second) == pytest.approx(expected, abs=1e-9)
    assert majority_posterior(first, second) == pytest.approx(float(exact_posterior(first, second)))


@pytest.mark.parametrize(("confidence", "needed"), [(0.90, [3, 5, 6, 8]), (0.95, [4, 6, 8, 9]), (0.99, [6, 9, 11, 13])])
def test_beta_needs_the_published_vote_counts(confidence, needed):
    for second, first in enumerate(needed):
        assert majority_posterior(first, second) >= confidence > majority_posterior(first - 1, second)


def urn(first, second, third, remaining):
    """Draw by draw, in exact fractions: the probability that the first leads alone at the end."""
    if not remaining:
        return Fraction(first > second)
    balls = first + 1, second + 1, third + 1
    after = ((first + 1, second, third), (first, second + 1, third), (first, second, third + 1))
    return sum(Fraction(n, sum(balls)) * urn(*votes, remaining - 1) for n, votes in zip(balls, after, strict=True))


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6), st.integers(0, 6))
def test_lead_probability_equals_the_urn_model(first, second, third, remaining):
    assert lead_probability(first, second, third, remaining) == pytest.approx(
        float(urn(first, second, third, remaining))
    )


def test_lead_probability_tends_to_the_majority_posterior():
    assert lead_probability(3, 1, 0, 600) == pytest.approx(majority_posterior(3, 1), abs=0.01)


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.integers(0, MAX_COUNTED_VOTES))
def test_lead_probability_is_1_for_an_unassailable_lead(first, second, third, remaining):
    chance = lead_probability(first, second, third, remaining)
    assert 0 <= chance <= 1 + 1e-12 and (first - second <= remaining or chance == pytest.approx(1))


@pytest.mark.parametrize(("n", "agreeing"), [(4, 3), (8, 3), (16, 3), (32, 4), (64, 4), (256, 4)])
def test_predictive_needs_fewer_agreeing_votes_in_a_smaller_vote(n, agreeing):
    at = next(k for k in range(1, n) if is_decided("predictive", tally(outcomes(["a"] * k)), n - k, 0.95))
    assert at == agreeing
    assert not is_decided("predictive", [], n, 0.95)


def test_certain_excludes_overtaking_and_ties():
    blocs = tally(outcomes("aab"))
    assert not is_decided("certain", blocs, 1, 0.95)
    assert is_decided("certain", blocs, 0, 0.95)
    assert is_decided("certain", tally(outcomes("aaa")), 2, 0.95)
    assert not is_decided("none", tally(outcomes("aaa")), 0, 0.95)
    assert not is_decided("beta", [], 0, 0.95)


def test_abstentions_do_not_count_as_second_answer():
    assert is_decided("beta", tally(outcomes(["a"] * 4 + [None] * 3)), 9, 0.95)
