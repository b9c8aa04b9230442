"""A vote with a floor: DeepConf online (arXiv:2508.15260), and what its reference code gets wrong."""

import pytest
from pydantic import ValidationError

from cogitate.strategies.core.confidence_monitor import TOP_ALTERNATIVES
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import Aborted, Proposed, usage
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.self_consistency import SelfConsistency
from tests.fakes.run import build_session, events, solve

SURE, UNSURE = -9.0, -1.0
"""Chosen tokens' log-probabilities on the scripted engine: the less likely its alternatives, the surer."""
WORDS = "word " * 40
SAMPLING = Sampling(max_tokens=100, logprobs=TOP_ALTERNATIVES, seed=3)


def saying(*answers):
    return [f"{WORDS}\\boxed{{{answer}}}" if answer else WORDS for answer in answers]


def engine_of(answers, sure, **options):
    """`sure` says of each call from which token on it is unsure; None: never."""
    doubts = lambda call, at: UNSURE if sure[call] is not None and at >= sure[call] else SURE  # noqa: E731
    return ScriptedEngine(saying(*answers), logprob_at=doubts, **options)


def voted(engine, **options):
    session = build_session(engine, sampling=SAMPLING)
    options = {"weights": "confidence", "stop_rule": "none", "floor": "high"} | options
    return solve(SelfConsistency(n=len(engine.replies), **options), session), session


def test_a_hopeless_trace_is_ended_as_it_is_decoded_and_does_not_vote():
    engine = engine_of(["42", "42", "42", "41", "41", "41", "41", "41"], [None] * 3 + [10] * 5)
    finished, session = voted(engine, warmup=3)
    assert finished.outcome.answer.raw == "42" and finished.outcome.agreement == 1
    ended = [event.completion for event in events(session, Aborted)]
    assert [made.finish for made in ended] == ["unsure"] * 5 and finished.stopped == "completed"
    assert all(10 < made.completion_tokens < 30 for made in ended)


def test_what_was_decoded_of_it_stays_on_the_bill():
    engine = engine_of(["42", "42", "41", "41"], [None, None, 10, 30])
    finished, session = voted(engine, warmup=2)
    spent = usage(session.trace)
    assert spent.completion == engine.decoded and spent.aborted == sum(
        event.completion.completion_tokens for event in events(session, Aborted)
    )
    assert spent.aborted > 0 and engine.cancelled == 0


def test_the_window_fits_short_answers():
    """The paper's 2048 tokens would never fire on 41."""
    engine = engine_of(["42", "42", "41"], [None, None, 0])
    _, session = voted(engine, warmup=2)
    assert [event.completion.completion_tokens for event in events(session, Aborted)] == [16]


def test_a_boxed_answer_in_an_ended_trace_is_no_vote():
    early = "\\boxed{41} " + WORDS
    doubts = lambda call, at: UNSURE if call >= 1 else SURE  # noqa: E731
    engine = ScriptedEngine([*saying("42"), early, early], logprob_at=doubts)
    finished, session = voted(engine, warmup=1)
    assert len(events(session, Aborted)) == 2 and finished.outcome.answer.raw == "42"
    assert all(other.answer is None for other in finished.outcome.alternatives)


def test_who_doubts_in_the_warm_up_does_not_vote_either():
    for options, answer in (({"floor": "low", "warmup": 4}, "42"), ({"floor": "none"}, "41")):
        engine = engine_of(["41", "41", "42", "42"], [5, 5, None, None])
        assert voted(engine, weights="none", **options)[0].outcome.answer.raw == answer


def warm_up(floor):
    """Ten of a warm-up, each less sure than the one before; who of them votes."""
    engine = ScriptedEngine(saying(*range(1, 11)), logprob_at=lambda call, at: -9.0 + call / 10)
    finished, _ = voted(engine, warmup=10, floor=floor)
    shown = [finished.outcome, *finished.outcome.alternatives]
    return {int(outcome.answer.raw) for outcome in shown if outcome.answer}


def test_low_keeps_the_surest_tenth_and_high_the_surest_nine_tenths():
    assert warm_up("low") == {1} and warm_up("high") == set(range(1, 10))


def test_at_least_one_vote_stands_even_where_the_surest_does_not_answer():
    engine = engine_of([None, None, "42", "41"], [None, None, 38, 0])
    assert voted(engine, warmup=4, floor="low")[0].outcome.answer.raw == "42"


def test_where_nobody_answers_a_finished_text_is_shown_and_not_an_ended_one():
    engine = engine_of([None, None, None], [None, 0, 0])
    finished, _ = voted(engine, warmup=1)
    assert finished.outcome.completion.finish == "stop" and finished.outcome.answer is None


def test_consensus_stops_once_the_leader_has_nearly_all_weight_and_not_in_the_warm_up():
    engine = ScriptedEngine(saying(*["42"] * 16), logprob=lambda call: SURE)
    finished, _ = voted(engine, stop_rule="consensus", warmup=6, concurrency=2)
    assert finished.outcome.answer.raw == "42" and 6 <= len(engine.calls) <= 8


def test_consensus_goes_on_where_weight_is_shared():
    answers = ["41", "42"] * 4
    engine = ScriptedEngine(saying(*answers), logprob=lambda call: SURE)
    voted(engine, stop_rule="consensus", warmup=2, concurrency=2)
    assert engine.finished == 8


def test_consensus_counts_weight_and_not_heads():
    """One doubter of five: a fifth of the votes, a twentieth of the weight."""
    engine = ScriptedEngine(saying(*["41", *["42"] * 9]), logprob=lambda call: 1.9 if call == 0 else SURE)
    finished, _ = voted(engine, stop_rule="consensus", warmup=5, floor="none", concurrency=1)
    assert finished.outcome.answer.raw == "42" and len(engine.calls) <= 6


def test_a_deadline_answers_by_those_above_the_floor():
    engine = engine_of(["41", "41", "42", "42"], [5, 5, None, None])
    _, session = voted(engine, warmup=3, floor="low")
    assert events(session, Proposed)[-1].outcome.answer.raw == "42"


def test_the_same_seed_ends_the_same_traces():
    def told():
        engine = ScriptedEngine(saying(*"12121212"), logprob_at=lambda call, at: -9 + (call * 7 + at * 3) % 5)
        finished, session = voted(engine, warmup=4)
        return finished.outcome.answer, [event.completion.index for event in events(session, Aborted)]

    assert told() == told()


def test_no_sample_of_the_warm_up_has_a_floor_and_every_later_one_has():
    engine = engine_of("11111111", [None] * 8)
    voted(engine, warmup=3)
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
def test_the_waves(n, options, waves):
    assert (
        SelfConsistency(**{"n": n, "floor": "high"} | options if "floor" not in options else {"n": n}).wave_sizes
        == waves
    )


def test_a_floor_needs_log_probabilities_whatever_votes_weigh():
    strategy = SelfConsistency(floor="low")
    assert strategy.needs == {"logprobs"} and strategy.logprobs == TOP_ALTERNATIVES
    assert SelfConsistency(floor="low", weights="p_true").needs == {"logprobs", "continue"}
    assert SelfConsistency().logprobs is None


def test_a_warm_up_for_nothing_is_refused():
    with pytest.raises(ValidationError, match="warmup is for"):
        SelfConsistency(warmup=4)
    assert SelfConsistency(warmup=4, stop_rule="consensus").warmup_samples == 4
