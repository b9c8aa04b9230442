"""The stop rules under a learned prior, against integrals and urns computed independently."""

import importlib
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.auto import Auto
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.core.vote_prior import VotePrior
from cogitate.strategies.self_consistency import SelfConsistency
from cogitate.strategies.voting.prior import final_lead_probability, leader_probability
from tests.fakes.run import build_session, solve

EASY = VotePrior(20.0, 0.2, 0.1)
VOTES = st.integers(0, 12)


@given(st.floats(0.1, 30), st.floats(0.1, 30), VOTES, VOTES)
def test_leader_probability_is_that_of_two_beta_distributions(majority, second, first, runner_up):
    betaln = importlib.import_module("scipy.special").betaln
    leads = betaln(majority + first, second + runner_up)
    trails = betaln(second + first, majority + runner_up)
    expected = 1 / (1 + importlib.import_module("numpy").exp(trails - leads))
    assert leader_probability(VotePrior(majority, second, 1.0), first, runner_up) == pytest.approx(expected, abs=1e-9)


def urn(balls, votes, remaining):
    """Draw by draw, in exact fractions: the probability that the first leads the second at the end."""
    if not remaining:
        return Fraction(votes[0] > votes[1])
    shares = [Fraction(balls[at] + votes[at]) for at in range(3)]
    after = [tuple(count + (at == kind) for at, count in enumerate(votes)) for kind in range(3)]
    chances = [
        share / sum(shares) * urn(balls, votes, remaining - 1) for share, votes in zip(shares, after, strict=True)
    ]
    return sum(chances)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3), st.tuples(VOTES, VOTES, VOTES), st.integers(0, 5))
def test_final_lead_is_that_of_two_urns_weighted_by_who_is_the_majority(majority, second, others, votes, remaining):
    prior = VotePrior(majority, second, others)
    first, runner_up, rest = votes
    sure = leader_probability(prior, first, runner_up)
    right = urn((majority, second, others), (first, runner_up, rest), remaining)
    wrong = urn((second, majority, others), (first, runner_up, rest), remaining)
    expected = sure * float(right) + (1 - sure) * float(wrong)
    assert final_lead_probability(prior, *votes, remaining) == pytest.approx(expected)


def test_many_votes_do_not_overflow():
    assert leader_probability(VotePrior(1000.0, 0.001, 0.001), 256, 0) == pytest.approx(1)
    assert leader_probability(VotePrior(1000.0, 0.001, 0.001), 0, 256) == pytest.approx(0)
    assert 0 <= final_lead_probability(VotePrior(1000.0, 0.001, 0.001), 100, 92, 0, 64) <= 1 + 1e-9


@pytest.mark.parametrize("rule", ["beta", "predictive"])
def test_vote_stops_sooner_where_the_operator_s_questions_are_easy(rule):
    def count_votes(prior):
        engine = ScriptedEngine(["so \\boxed{42}"], pace=0.001)
        session = build_session(engine, sampling=Sampling(max_tokens=50, seed=1))
        session.request = replace(session.request, vote_prior=prior)
        solve(SelfConsistency(n=16, stop_rule=rule, concurrency=1), session)
        return engine.finished

    assert (count_votes(EASY), count_votes(None)) == (1, 4 if rule == "beta" else 3)


def test_auto_votes_by_the_prior_once_its_first_wave_disagrees():
    def count_votes(prior):
        engine = ScriptedEngine([f"so \\boxed{{{answer}}}" for answer in (1, 2, 1, 1, 1, 1, 1, 1)], pace=0.001)
        session = build_session(engine, sampling=Sampling(max_tokens=50, seed=1))
        session.request = replace(session.request, vote_prior=prior)
        solve(Auto(n=16, concurrency=1), session)
        return engine.finished

    assert count_votes(VotePrior(50.0, 0.5, 0.1)) < count_votes(None)
