import importlib
import math
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.answers import Answer
from cogitate.strategies.core.logprobs import TokenLogprob
from cogitate.strategies.core.types import Completion, Outcome, Prompt
from cogitate.strategies.voting.ballot import Ballot, ranking, score_of
from cogitate.strategies.voting.stop_rules import MAX_COUNTED_VOTES, is_settled, lead_probability, majority_posterior


def outcome(index, key, score=None, logprob=None, text="text", finish="stop"):
    logprobs = () if logprob is None else (TokenLogprob(0, "", logprob),)
    completion = Completion(prompt=Prompt(()), text=text, finish=finish, index=index, logprobs=logprobs)
    return Outcome(completion, Answer(key, key, "boxed") if key else None, score)


def outcomes(votes):
    return [outcome(index, vote) for index, vote in enumerate(votes)]


def tally(candidates, *weight):
    return Ballot.of(candidates).rank_blocs(*weight)


def keys(blocs):
    return [bloc.members[0].answer.key for bloc in blocs]


def test_blocs_come_largest_first_and_abstentions_not_at_all():
    assert keys(tally(outcomes(["a", "b", "b", None, None, None]))) == ["b", "a"]


def test_a_tie_goes_to_the_likelier_then_to_the_earlier():
    assert keys(tally([outcome(0, "a", logprob=-2.0), outcome(1, "b", logprob=-1.0)])) == ["b", "a"]
    assert keys(tally([outcome(1, "b"), outcome(0, "a")])) == ["a", "b"]


def test_weights_add_up_and_a_tie_of_weights_goes_to_the_larger_bloc():
    heavy = [outcome(0, "a", 0.5), outcome(1, "b", 0.25), outcome(2, "b", 0.25)]
    assert keys(tally(heavy, score_of)) == ["b", "a"]
    assert keys(tally([outcome(0, "a", 0.9), *heavy[1:]], score_of)) == ["a", "b"]


def test_the_representative_is_the_verifiers_favourite_then_the_likeliest_then_the_shortest():
    (bloc,) = tally([outcome(0, "a", 0.1), outcome(1, "a", 0.9), outcome(2, "a", 0.5)])
    assert bloc.representative.completion.index == 1
    (bloc,) = tally([outcome(0, "a", text="long"), outcome(1, "a", text="sh"), outcome(2, "a", text="so")])
    assert bloc.representative.completion.index == 1


@given(st.lists(st.sampled_from("abc"), min_size=1), st.randoms())
def test_the_order_never_matters(votes, chance):
    ballots = outcomes(votes)
    shuffled = list(ballots)
    chance.shuffle(shuffled)
    assert keys(tally(ballots)) == keys(tally(shuffled))
    assert Ballot.of(ballots).ranking() == Ballot.of(shuffled).ranking()
    assert Ballot.of(ballots).winner().completion == Ballot.of(ballots).ranking().completion
    assert ranking(ballots) == ranking(shuffled)


def exact_posterior(first, second):
    """The integral of the Beta density over [1/2, 1], term by term in exact fractions."""
    total = first + second + 1
    return Fraction(sum(math.comb(total, j) for j in range(first + 1)), 2**total)


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_posterior_is_the_exact_integral(first, second):
    special = importlib.import_module("scipy.special")
    expected = special.betainc(second + 1, first + 1, 0.5)
    assert majority_posterior(first, second) == pytest.approx(expected, abs=1e-9)
    assert majority_posterior(first, second) == pytest.approx(float(exact_posterior(first, second)))


@pytest.mark.parametrize(("confidence", "needed"), [(0.90, [3, 5, 6, 8]), (0.95, [4, 6, 8, 9]), (0.99, [6, 9, 11, 13])])
def test_the_leader_needs_the_published_counts(confidence, needed):
    for second, first in enumerate(needed):
        assert majority_posterior(first, second) >= confidence > majority_posterior(first - 1, second)


def urn(first, second, others, remaining):
    """Draw by draw, in exact fractions: how likely the first leads alone at the end."""
    if not remaining:
        return Fraction(first > second)
    balls = first + 1, second + 1, others + 1
    after = ((first + 1, second, others), (first, second + 1, others), (first, second, others + 1))
    return sum(Fraction(n, sum(balls)) * urn(*votes, remaining - 1) for n, votes in zip(balls, after, strict=True))


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6), st.integers(0, 6))
def test_the_chance_to_keep_the_lead_is_the_urns(first, second, others, remaining):
    assert lead_probability(first, second, others, remaining) == pytest.approx(
        float(urn(first, second, others, remaining))
    )


def test_without_an_end_to_the_vote_the_chance_to_keep_the_lead_is_the_posterior():
    assert lead_probability(3, 1, 0, 600) == pytest.approx(majority_posterior(3, 1), abs=0.01)


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.integers(0, MAX_COUNTED_VOTES))
def test_a_lead_that_cannot_be_lost_is_kept(first, second, others, remaining):
    chance = lead_probability(first, second, others, remaining)
    assert 0 <= chance <= 1 + 1e-12 and (first - second <= remaining or chance == pytest.approx(1))


@pytest.mark.parametrize(("n", "agreeing"), [(4, 3), (8, 3), (16, 3), (32, 4), (64, 4), (256, 4)])
def test_predictive_needs_fewer_that_agree_the_sooner_the_vote_ends(n, agreeing):
    at = next(k for k in range(1, n) if is_settled("predictive", tally(outcomes(["a"] * k)), n - k, 0.95))
    assert at == agreeing
    assert not is_settled("predictive", [], n, 0.95)


def test_settled_by_certainty_leaves_no_way_to_overtake_nor_to_tie():
    blocs = tally(outcomes("aab"))
    assert not is_settled("certain", blocs, 1, 0.95)
    assert is_settled("certain", blocs, 0, 0.95)
    assert is_settled("certain", tally(outcomes("aaa")), 2, 0.95)
    assert not is_settled("none", tally(outcomes("aaa")), 0, 0.95)
    assert not is_settled("beta", [], 0, 0.95)


def test_abstentions_are_no_runner_up():
    assert is_settled("beta", tally(outcomes(["a"] * 4 + [None] * 3)), 9, 0.95)


def test_best_prefers_scores_then_likelihood_then_order():
    assert ranking([outcome(0, "a", 0.1), outcome(1, "b", 0.2)]).completion.index == 1
    assert ranking([outcome(0, "a", logprob=-3.0), outcome(1, "b", logprob=-1.0)]).completion.index == 1
    assert ranking([replace(outcome(1, "b"), score=None), outcome(0, "a")]).completion.index == 0
