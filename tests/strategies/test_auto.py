"""Each row of the decision table."""

import pytest

from cogitate.strategies.auto import DECISIONS, WAVE, Auto
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import Shed, usage
from cogitate.strategies.core.types import Sampling
from tests.fakes.run import build_session, events, solve
from tests.strategies.test_synthesis import boxed, writing

WRITTEN = "thus \\boxed{99}"


def solved(replies, *, n=8, under_load=False, tokens=None, logprob=lambda call: -0.5, written=WRITTEN):
    engine = writing(replies, written)
    engine.logprob = logprob
    session = build_session(engine, tokens=tokens, sampling=Sampling(max_tokens=50, seed=1, logprobs=0))
    session.budget.under_load = lambda: under_load
    finished = solve(Auto(n=n), session)
    assert engine.decoded == usage(session.trace).completion <= Auto(n=n).cost(50)
    return finished.outcome, len(engine.calls), session


def test_a_wave_that_agrees_is_the_answer():
    outcome, calls, _ = solved(boxed(7, 7, 7, 7))
    assert (outcome.answer.raw, outcome.agreement, calls) == ("7", 1, WAVE)


def test_a_wave_that_decides_spares_the_rest():
    _, _, session = solved(boxed(7, 7, 7))
    assert session.trace.entries[-1].event.stopped == "decided" and session.budget.spared == 8 - WAVE


def test_under_load_less_is_enough():
    _, calls, session = solved(["I cannot say", *boxed(7, 7)], under_load=True)
    assert calls == WAVE and events(session, Shed)
    _, calls, session = solved(["I cannot say", *boxed(7, 7, 7, 7, 8, 8, 8)])
    assert calls > WAVE and not events(session, Shed)


def test_an_open_vote_gets_more_votes_until_it_is_decided():
    outcome, calls, _ = solved(boxed(8, 7, 7, 7, 7, 7, 7, 1, 2, 3, 4, 5, 6, 9, 9, 9), n=16)
    assert outcome.answer.raw == "7" and WAVE < calls < 8


def test_a_majority_at_the_ceiling_is_served():
    outcome, calls, _ = solved(boxed(1, 7, 7, 2, 7, 1, 7, 3))
    assert (outcome.answer.raw, calls) == ("7", 8)


def test_without_a_majority_the_likeliest_leader_is_served_and_another_leader_is_not():
    votes = boxed(1, 2, 3, 4, 7, 7, 5, 6)
    likely, calls, _ = solved(votes, logprob=lambda call: -0.1 if call in (4, 5) else -0.9)
    assert (likely.answer.raw, calls) == ("7", 8)
    still, calls, _ = solved(votes, logprob=lambda call: -0.9 if call in (4, 5) else -0.1)
    assert (still.answer.raw, calls) == ("7", 9)


def test_a_synthesis_is_one_vote_and_decides_a_tie():
    doubtful = lambda call: -0.9 if call in (2, 3) else -0.1  # noqa: E731
    votes = boxed(1, 2, 7, 7, 8, 8, 5, 6)
    for said in ("7", "8"):
        outcome, calls, _ = solved(votes, logprob=doubtful, written=f"thus \\boxed{{{said}}}")
        assert (outcome.answer.raw, calls) == (said, 9)


def test_prose_is_written_from_the_wave():
    outcome, calls, _ = solved(["a poem", "an ode", "a song", "a hymn"])
    assert (outcome.completion.text, calls) == (WRITTEN, WAVE + 1) and len(outcome.alternatives) == WAVE


@pytest.mark.parametrize("options", [{"under_load": True}, {"tokens": 17}])
def test_no_synthesis_while_others_wait_nor_where_the_tokens_do_not_reach(options):
    outcome, calls, _ = solved(["a poem of old"] * 3 + ["an ode to joy"], **options)
    assert calls == WAVE and outcome.completion.text != WRITTEN


def test_one_sample_is_one_sample():
    assert solved(["a poem"], n=1)[1] == 1


def test_as_many_answers_as_are_wanted_are_made():
    engine = ScriptedEngine(boxed(7))
    session = build_session(engine, answers=6)
    assert len(solve(Auto(n=8), session).outcome.alternatives) >= 5


def test_the_table_and_its_thresholds_are_in_the_schema():
    schema = Auto.model_json_schema()
    assert len(schema["decisions"]) == 8 == len(DECISIONS) and schema["thresholds"]["WAVE"] == WAVE


def test_also_behind_a_synthesis():
    session = build_session(writing([f"poem {letter}" for letter in "abcdefghijkl"], WRITTEN), answers=12)
    outcome = solve(Auto(n=12), session).outcome
    assert outcome.completion.text == WRITTEN and len(outcome.alternatives) == 12
