"""Votes with a confidence threshold: DeepConf online (arXiv:2508.15260)."""

import pytest
from pydantic import ValidationError

from cogitate.strategies.core.confidence_monitor import TOP_ALTERNATIVES
from cogitate.strategies.core.events import Aborted, Proposed
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import usage
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.self_consistency import SelfConsistency
from tests.fakes.run import build_session, events, solve

SURE, UNSURE = -9.0, -1.0
"""Log-probabilities of the alternatives that the scripted engine reports: the lower, the more confident."""
WORDS = "word " * 40
SAMPLING = Sampling(max_tokens=100, logprobs=TOP_ALTERNATIVES, seed=3)


def build_answers(*answers):
    return [f"{WORDS}\\boxed{{{answer}}}" if answer else WORDS for answer in answers]


def build_engine(answers, sure, **options):
    """`sure`: for each call the token from which confidence is low; None: never."""
    logprob_at = lambda call, at: UNSURE if sure[call] is not None and at >= sure[call] else SURE  # noqa: E731
    return ScriptedEngine(build_answers(*answers), logprob_at=logprob_at, **options)


def run_vote(engine, **options):
    session = build_session(engine, sampling=SAMPLING)
    options = {"weights": "confidence", "stop_rule": "none", "floor": "high"} | options
    return solve(SelfConsistency(n=len(engine.replies), **options), session), session


def test_sample_below_the_threshold_is_stopped_while_decoding_and_does_not_vote():
    engine = build_engine(["42", "42", "42", "41", "41", "41", "41", "41"], [None] * 3 + [10] * 5)
    finished, session = run_vote(engine, warmup=3)
    assert finished.outcome.answer.raw == "42" and finished.outcome.agreement == 1
    stopped = [event.completion for event in events(session, Aborted)]
    assert [completion.finish for completion in stopped] == ["unsure"] * 5 and finished.stopped == "completed"
    assert all(10 < completion.completion_tokens < 30 for completion in stopped)


def test_tokens_of_a_stopped_sample_are_counted_in_usage():
    engine = build_engine(["42", "42", "41", "41"], [None, None, 10, 30])
    finished, session = run_vote(engine, warmup=2)
    spent = usage(session.trace)
    assert spent.completion == engine.decoded and spent.aborted == sum(
        event.completion.completion_tokens for event in events(session, Aborted)
    )
    assert spent.aborted > 0 and engine.cancelled == 0


def test_window_is_short_enough_for_short_answers():
    """The paper's window of 2048 tokens would never fill in an answer of 41 tokens."""
    engine = build_engine(["42", "42", "41"], [None, None, 0])
    _, session = run_vote(engine, warmup=2)
    assert [event.completion.completion_tokens for event in events(session, Aborted)] == [16]


def test_boxed_answer_in_a_stopped_sample_is_not_a_vote():
    early = "\\boxed{41} " + WORDS
    logprob_at = lambda call, at: UNSURE if call >= 1 else SURE  # noqa: E731
    engine = ScriptedEngine([*build_answers("42"), early, early], logprob_at=logprob_at)
    finished, session = run_vote(engine, warmup=1)
    assert len(events(session, Aborted)) == 2 and finished.outcome.answer.raw == "42"
    assert all(other.answer is None for other in finished.outcome.alternatives)


def test_warm_up_samples_below_the_threshold_do_not_vote():
    for options, answer in (({"floor": "low", "warmup": 4}, "42"), ({"floor": "none"}, "41")):
        engine = build_engine(["41", "41", "42", "42"], [5, 5, None, None])
        assert run_vote(engine, weights="none", **options)[0].outcome.answer.raw == answer


def warm_up_voters(floor):
    """The voters of a warm-up of ten samples, each less confident than the one before."""
    engine = ScriptedEngine(build_answers(*range(1, 11)), logprob_at=lambda call, at: -9.0 + call / 10)
    finished, _ = run_vote(engine, warmup=10, floor=floor)
    shown = [finished.outcome, *finished.outcome.alternatives]
    return {int(outcome.answer.raw) for outcome in shown if outcome.answer}


def test_low_retains_10_and_high_90_percent_of_the_warm_up():
    assert warm_up_voters("low") == {1} and warm_up_voters("high") == set(range(1, 10))


def test_one_vote_remains_where_the_most_confident_sample_abstains():
    engine = build_engine([None, None, "42", "41"], [None, None, 38, 0])
    assert run_vote(engine, warmup=4, floor="low")[0].outcome.answer.raw == "42"


def test_finished_text_is_returned_before_a_stopped_one_where_all_abstain():
    engine = build_engine([None, None, None], [None, 0, 0])
    finished, _ = run_vote(engine, warmup=1)
    assert finished.outcome.completion.finish == "stop" and finished.outcome.answer is None


def test_consensus_stops_at_the_weight_share_but_not_during_the_warm_up():
    engine = ScriptedEngine(build_answers(*["42"] * 16), logprob=lambda call: SURE)
    finished, _ = run_vote(engine, stop_rule="consensus", warmup=6, concurrency=2)
    assert finished.outcome.answer.raw == "42" and 6 <= len(engine.calls) <= 8


def test_consensus_continues_where_weight_is_split():
    answers = ["41", "42"] * 4
    engine = ScriptedEngine(build_answers(*answers), logprob=lambda call: SURE)
    run_vote(engine, stop_rule="consensus", warmup=2, concurrency=2)
    assert engine.finished == 8


def test_consensus_uses_weight_instead_of_counts():
    """One sample of five is uncertain: a fifth of the votes, a twentieth of the weight."""
    engine = ScriptedEngine(build_answers(*["41", *["42"] * 9]), logprob=lambda call: 1.9 if call == 0 else SURE)
    finished, _ = run_vote(engine, stop_rule="consensus", warmup=5, floor="none", concurrency=1)
    assert finished.outcome.answer.raw == "42" and len(engine.calls) <= 6


def test_deadline_returns_the_vote_of_samples_above_the_threshold():
    engine = build_engine(["41", "41", "42", "42"], [5, 5, None, None])
    _, session = run_vote(engine, warmup=3, floor="low")
    assert events(session, Proposed)[-1].outcome.answer.raw == "42"


def test_the_same_seed_stops_the_same_samples():
    def stopped_samples():
        engine = ScriptedEngine(build_answers(*"12121212"), logprob_at=lambda call, at: -9 + (call * 7 + at * 3) % 5)
        finished, session = run_vote(engine, warmup=4)
        return finished.outcome.answer, [event.completion.index for event in events(session, Aborted)]

    assert stopped_samples() == stopped_samples()


def test_threshold_applies_to_every_sample_after_the_warm_up_only():
    engine = build_engine("11111111", [None] * 8)
    run_vote(engine, warmup=3)
    assert [sampling.confidence_threshold is not None for _, sampling in engine.calls] == [False] * 3 + [True] * 5
    assert len({sampling.confidence_threshold for _, sampling in engine.calls[3:]}) == 1


@pytest.mark.parametrize(
    ("n", "options", "waves"),
    [
        (64, {}, (16, 48)),
        (8, {}, (4, 4)),
        (1, {}, (1, 0)),
        (8, {"warmup": 2}, (2, 6)),
        (4, {"warmup": 9}, (4, 0)),
        (8, {"floor": "none"}, (8,)),
    ],
)
def test_wave_sizes(n, options, waves):
    assert SelfConsistency(**{"n": n, "floor": "high"} | options).wave_sizes == waves


def test_floor_needs_logprobs_with_any_weights():
    strategy = SelfConsistency(floor="low")
    assert strategy.needs == {"logprobs"} and strategy.logprobs == TOP_ALTERNATIVES
    assert SelfConsistency(floor="low", weights="p_true").needs == {"logprobs", "continue"}
    assert SelfConsistency().logprobs is None


def test_warmup_without_floor_or_consensus_is_rejected():
    with pytest.raises(ValidationError, match="warmup applies only with floor"):
        SelfConsistency(warmup=4)
    assert SelfConsistency(warmup=4, stop_rule="consensus").warmup_samples == 4
