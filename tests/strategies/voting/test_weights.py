"""Vote weights, and when the lead of a weighted vote is safe."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import usage
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.self_consistency import SelfConsistency
from cogitate.strategies.voting.ballot import Ballot, score_of
from cogitate.strategies.voting.weights import VoteWeights, is_lead_safe, softmax_numerator, unanimous_answer
from tests.fakes.run import build_session, solve
from tests.strategies.voting.test_ballot import outcome, outcomes


def box_each(*answers):
    return [f"so \\boxed{{{answer}}}" if answer else "I cannot say" for answer in answers]


def build_verdicts(**belief):
    """Label log-probabilities for the P(True) prompt, by the answer in front of it."""

    def labels(prompt):
        (p,) = (p for answer, p in belief.items() if f"{{{answer[1:]}}}" in prompt.prefix)
        return {"1": math.log(p), "0": math.log(1 - p)}

    return labels


def vote(**options):
    return SelfConsistency(stop_rule="none", **options)


def test_confident_minority_outweighs_an_uncertain_majority():
    engine = ScriptedEngine(box_each(41, 41, 42), labels=build_verdicts(_41=0.1, _42=0.9))
    finished = solve(vote(n=3, weights="p_true", softmax_temperature=0.2), build_session(engine))
    assert finished.outcome.answer.raw == "42" and finished.outcome.score == pytest.approx(0.9)
    assert (
        solve(vote(n=3, weights="p_true", softmax_temperature=100.0), build_session(engine)).outcome.answer.raw == "41"
    )


def test_p_true_prompt_continues_the_samples_token_ids():
    engine = ScriptedEngine(box_each(42), labels=build_verdicts(_42=0.9))
    solve(vote(n=1, weights="p_true"), build_session(engine))
    (sampled, _), (probed, sampling) = engine.calls
    assert probed.messages is sampled.messages and probed.segments[0].ids and probed.prefix.endswith("confidence: (")
    assert sampling.labels == ("1", "0") and sampling.max_tokens == 1 and sampling.temperature == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 1)), min_size=1, max_size=12), st.floats(0.05, 5))
def test_p_true_weights_equal_a_softmax(votes, temperature):
    total = sum(math.exp(p / temperature) for _, p in votes)
    ours = sum(softmax_numerator(p, temperature) for _, p in votes)
    for _, p in votes:
        assert softmax_numerator(p, temperature) / ours == pytest.approx(math.exp(p / temperature) / total)
        assert 0 <= softmax_numerator(p, temperature) <= 1


def test_abstentions_are_not_scored_and_have_no_weight():
    engine = ScriptedEngine(box_each(None, None, 42), labels=build_verdicts(_42=0.01))
    session = build_session(engine)
    assert solve(vote(n=3, weights="p_true"), session).outcome.answer.raw == "42"
    assert len(engine.calls) == 4 and usage(session.trace).verifier == 1


def test_lost_verdict_counts_as_the_mean_of_the_rest():
    def script(prompt, sampling):
        lost = sampling.labels and "{41}" in prompt.prefix
        return SampleFailed("gone") if lost else box_each(next(answers) if not sampling.labels else 42)[0]

    answers = iter([41, 41, 42])
    engine = ScriptedEngine(script, labels=lambda prompt: {"1": math.log(0.7), "0": math.log(0.3)})
    assert solve(vote(n=3, weights="p_true"), build_session(engine)).outcome.answer.raw == "41"


def test_weights_are_equal_where_every_verdict_is_lost_or_names_no_label():
    def script(prompt, sampling):
        return SampleFailed("gone") if sampling.labels else next(replies)

    replies = iter(box_each(41, 42, 42))
    assert solve(vote(n=3, weights="p_true"), build_session(ScriptedEngine(script))).outcome.answer.raw == "42"
    mute = ScriptedEngine(box_each(41, 42, 42), labels=lambda prompt: {})
    assert solve(vote(n=3, weights="p_true"), build_session(mute)).outcome.answer.raw == "42"


@pytest.mark.parametrize("lost", [(), SampleFailed("gone")])
def test_vote_continues_where_verifier_verdicts_are_lost(lost):
    """Verdicts of one answer, or of all: they count as the mean of the rest, or as 0.5."""
    engine = ScriptedEngine(["a \\boxed{1}", "b \\boxed{2}", "c \\boxed{2}"])
    session = build_session(engine, score_text=lambda text: lost if "b" in text else 0.6)
    strategy = SelfConsistency(n=3, weights="verifier", verifier="scripted", stop_rule="none")
    outcome = solve(strategy, session).outcome
    assert outcome.answer.raw == "2" and len(outcome.alternatives) == 2


def test_verifier_scores_are_summed_per_answer():
    scores = {"{41}": 0.3, "{42}": 0.9}
    session = build_session(ScriptedEngine(box_each(41, 41, 42)), score_text=lambda text: scores[text[-4:]])
    assert solve(vote(n=3, weights="verifier", verifier="scripted"), session).outcome.answer.raw == "42"
    assert SelfConsistency(weights="verifier").verifiers == ("judge",) and SelfConsistency().verifiers == ()


def test_confidence_weights_decide_the_vote():
    engine = ScriptedEngine(box_each(41, 41, 42), logprob=lambda call: -9.0 if call == 2 else -1.0)
    session = build_session(engine, sampling=Sampling(max_tokens=50, logprobs=5))
    assert solve(vote(n=3, weights="confidence"), session).outcome.answer.raw == "42"
    assert SelfConsistency(weights="confidence").logprobs == 5 and SelfConsistency().logprobs is None


def test_weights_declare_the_engine_abilities_they_need():
    assert SelfConsistency().needs == frozenset()
    assert SelfConsistency(weights="confidence").needs == {"logprobs"}
    assert SelfConsistency(weights="p_true").needs == {"continue", "logprobs"}


@pytest.mark.parametrize(
    "options",
    [
        {"weights": "confidence", "stop_rule": "certain"},
        {"verifier": "judge"},
        {"weights": "p_true", "verifier": "judge"},
        {"aggregation": "min"},
    ],
)
def test_contradictory_voting_options_are_rejected(options):
    with pytest.raises(ValidationError):
        SelfConsistency(**options)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 1)), min_size=1, max_size=6), st.integers(0, 3))
def test_safe_weighted_lead_survives_any_remaining_votes(votes, remaining):
    ballot = Ballot.of(outcome(at, key, score) for at, (key, score) in enumerate(votes))
    if is_lead_safe(ballot, score_of, remaining):
        leader = ballot.rank_blocs(score_of)[0].members[0].answer.key
        for more in itertools.product("abc", repeat=remaining):
            later = [outcome(90 + at, key, 1.0) for at, key in enumerate(more)]
            assert Ballot.of([*ballot.votes, *later]).rank_blocs(score_of)[0].members[0].answer.key == leader


def test_lead_by_count_is_not_safe_in_a_weighted_vote():
    ballot = Ballot.of([outcome(at, "a", 0.1) for at in range(5)])
    assert not is_lead_safe(ballot, score_of, 3) and is_lead_safe(Ballot.of([outcome(0, "a", 1.0)]), score_of, 0)
    assert not is_lead_safe(Ballot(), score_of, 0)


@pytest.mark.parametrize("weights", ["p_true", "verifier"])
def test_vote_cost_is_a_tight_upper_bound(weights):
    engine = ScriptedEngine(["a b c d \\boxed{1} and more words without end"])
    strategy = vote(n=5, weights=weights)
    solve(strategy, build_session(engine, sampling=Sampling(max_tokens=6)))
    assert engine.decoded == strategy.cost(6) == 35
    assert strategy.in_flight == 5


@given(st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.floats(0, 1)), min_size=1), st.randoms())
def test_weighted_vote_does_not_depend_on_arrival_order(votes, chance):
    ballots = [outcome(at, key, score) for at, (key, score) in enumerate(votes)]
    shuffled = list(ballots)
    chance.shuffle(shuffled)
    assert Ballot.of(ballots).ranking(score_of) == Ballot.of(shuffled).ranking(score_of)


def test_window_with_an_abstention_is_not_unanimous():
    assert unanimous_answer(outcomes("aaa")) == "a"
    assert unanimous_answer(outcomes("aab")) is None and unanimous_answer(outcomes(["a", "a", None])) is None
    assert unanimous_answer(outcomes([None, None])) is None


def test_votes_without_weights_count_1():
    session = build_session(ScriptedEngine(["x"]))
    assert VoteWeights(session, "none").weight(outcome(0, "a")) == 1
