"""When a vote stops: weighted votes, windows and concurrent samples."""

import itertools
import random

import pytest

from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.self_consistency import SelfConsistency
from cogitate.strategies.voting.ballot import Ballot
from cogitate.strategies.voting.stop_rules import is_decided
from tests.fakes.run import build_session, solve
from tests.strategies.voting.test_ballot import outcomes
from tests.strategies.voting.test_weights import box_each, build_verdicts


def list_candidate_prompts(engine):
    return [prompt for prompt, sampling in engine.calls if not sampling.labels]


def test_certain_does_not_change_a_weighted_result():
    chance = random.Random(11)
    for _ in range(60):
        votes = [chance.choice("12") for _ in range(6)]
        opinions = {f"{at} {vote}": chance.random() for at, vote in enumerate(votes)}
        replies = [f"{at} {vote} \\boxed{{{vote}}}" for at, vote in enumerate(votes)]

        def opinion(text, opinions=opinions):
            return opinions[text[:3]]

        def solve_with(rule, replies=replies, opinion=opinion):
            strategy = SelfConsistency(n=6, stop_rule=rule, weights="verifier", verifier="scripted")
            return solve(strategy, build_session(ScriptedEngine(replies), score_text=opinion)).outcome.answer.raw

        assert solve_with("certain") == solve_with("none")


def test_weighted_vote_stops_early_where_weight_and_count_agree():
    engine = ScriptedEngine(box_each(42), pace=lambda call: 0.02 * (1 + call), labels=build_verdicts(_42=0.9))
    finished = solve(SelfConsistency(n=16, weights="p_true"), build_session(engine))
    assert finished.stopped == "decided" and len(list_candidate_prompts(engine)) <= 10, "6 start, and one more per vote"


def test_weighted_vote_continues_where_weight_and_count_differ():
    scores = {"{41}": 0.05, "{42}": 1.0}
    replies = box_each(41, 41, 42, 41, 41, 41, 41, 41)
    engine = ScriptedEngine(replies, pace=lambda call: 0.001 + 0.003 * call)
    session = build_session(engine, score_text=lambda text: scores[text[-4:]])
    finished = solve(SelfConsistency(n=8, weights="verifier", verifier="scripted"), session)
    assert finished.outcome.answer.raw == "42" and engine.finished == 8


def run_windows_vote(n, *answers, window=3, **options):
    engine = ScriptedEngine(box_each(*answers))
    session = build_session(engine, sampling=Sampling(max_tokens=50, seed=1))
    strategy = SelfConsistency(n=n, stop_rule="windows", window=window, **options)
    return solve(strategy, session).outcome, engine


def test_unanimous_window_wins_over_the_majority():
    outcome, engine = run_windows_vote(9, 7, 7, 8, 7, 7, 8, 8, 8, 8)
    assert outcome.answer.raw == "8" and outcome.agreement == pytest.approx(5 / 9)
    outcome, engine = run_windows_vote(9, 7, 7, 7, 8)
    assert outcome.answer.raw == "7" and len(engine.calls) <= 6


def test_majority_decides_without_a_unanimous_window():
    outcome, engine = run_windows_vote(8, 7, 8, 7, 7, None, 7, 8, 8)
    assert outcome.answer.raw == "7" and engine.finished == 8


def test_windows_are_consecutive_and_do_not_overlap():
    outcome, engine = run_windows_vote(6, 7, 8, 8, 8, 7, 7)
    assert engine.finished == 6 and outcome.answer.raw in ("7", "8")


def first_window(answers, size):
    """Early-stopping self-consistency done sequentially: one window after the other."""
    for start in range(0, len(answers) - size + 1, size):
        if len(set(answers[start : start + size])) == 1 and answers[start]:
            return answers[start]
    return None


def test_windows_rule_is_independent_of_concurrency():
    for answers in itertools.product("12", repeat=6):
        expected = first_window(answers, 2)
        for concurrency in (1, 2, 6):
            outcome, _ = run_windows_vote(6, *answers, window=2, concurrency=concurrency)
            assert expected is None or outcome.answer.raw == expected


def count_sequential(answers, strategy):
    """The samples that a rule needs when it is applied after every single vote."""
    for size in range(1, len(answers) + 1):
        blocs = Ballot.of(outcomes(answers[:size])).rank_blocs()
        if is_decided(strategy.stop_rule, blocs, len(answers) - size, strategy.confidence):
            return size
    return len(answers)


@pytest.mark.parametrize("rule", ["certain", "beta", "predictive"])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_concurrent_vote_uses_the_samples_of_the_sequential_rule(rule, concurrency):
    """Brute force: every sequence of seven votes for two answers."""
    for answers in itertools.product("12", repeat=7):
        strategy = SelfConsistency(n=7, stop_rule=rule, concurrency=concurrency)
        engine = ScriptedEngine(box_each(*answers))
        finished = solve(strategy, build_session(engine, sampling=Sampling(max_tokens=50, seed=1)))
        taken = count_sequential(answers, strategy)
        assert taken <= len(engine.calls) <= taken + concurrency
        expected = Ballot.of(outcomes(answers[:taken])).rank_blocs()[0].members[0].answer.key
        assert finished.outcome.answer.raw == expected
