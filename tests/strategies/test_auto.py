"""Auto: each row of its decision table."""

import pytest

from cogitate.strategies.auto import DECISIONS, WAVE, Auto
from cogitate.strategies.core.events import Cast, Shed
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import usage
from cogitate.strategies.core.types import Sampling
from tests.fakes.run import build_session, events, solve
from tests.strategies.test_synthesis import box_answers, writing

WRITTEN = "thus \\boxed{99}"


def solve_auto(replies, *, n=8, under_load=False, tokens=None, logprob=lambda call: -0.5, written=WRITTEN):
    engine = writing(replies, written)
    engine.logprob = logprob
    session = build_session(engine, tokens=tokens, sampling=Sampling(max_tokens=50, seed=1, logprobs=0))
    session.budget.under_load = lambda: under_load
    finished = solve(Auto(n=n), session)
    assert engine.decoded == usage(session.trace).completion <= Auto(n=n).cost(50)
    return finished.outcome, len(engine.calls), session


def test_agreeing_first_wave_is_the_answer():
    outcome, calls, _ = solve_auto(box_answers(7, 7, 7, 7))
    assert (outcome.answer.raw, outcome.agreement, calls) == ("7", 1, WAVE)


def test_decisive_first_wave_spares_the_remaining_samples():
    _, _, session = solve_auto(box_answers(7, 7, 7))
    assert session.trace.entries[-1].event.stopped == "decided" and session.budget.spared == 8 - WAVE


def test_lower_posterior_is_enough_under_load():
    _, calls, session = solve_auto(["I cannot say", *box_answers(7, 7)], under_load=True)
    assert calls == WAVE and events(session, Shed)
    _, calls, session = solve_auto(["I cannot say", *box_answers(7, 7, 7, 7, 8, 8, 8)])
    assert calls > WAVE and not events(session, Shed)


def test_open_vote_continues_until_a_leader_is_certain():
    outcome, calls, session = solve_auto(box_answers(8, 7, 7, 7, 7, 7, 7, 1, 2, 3, 4, 5, 6, 9, 9, 9), n=16)
    votes = len(events(session, Cast))
    assert outcome.answer.raw == "7" and WAVE < votes < 8 and calls <= WAVE + Auto(n=16).in_flight


def test_majority_after_n_samples_is_the_answer():
    outcome, calls, _ = solve_auto(box_answers(1, 7, 7, 2, 7, 1, 3, 7))
    assert (outcome.answer.raw, calls) == ("7", 8)


def test_leader_without_majority_wins_only_where_it_is_the_likeliest():
    votes = box_answers(1, 2, 3, 4, 7, 7, 5, 6)
    likely, calls, _ = solve_auto(votes, logprob=lambda call: -0.1 if call in (4, 5) else -0.9)
    assert (likely.answer.raw, calls) == ("7", 8)
    still, calls, _ = solve_auto(votes, logprob=lambda call: -0.9 if call in (4, 5) else -0.1)
    assert (still.answer.raw, calls) == ("7", 9)


def test_synthesis_is_one_vote_that_breaks_a_tie():
    doubtful = lambda call: -0.9 if call in (2, 3) else -0.1  # noqa: E731
    votes = box_answers(1, 2, 7, 7, 8, 8, 5, 6)
    for answer in ("7", "8"):
        outcome, calls, _ = solve_auto(votes, logprob=doubtful, written=f"thus \\boxed{{{answer}}}")
        assert (outcome.answer.raw, calls) == (answer, 9)


def test_prose_is_synthesised_from_the_first_wave():
    outcome, calls, _ = solve_auto(["a poem", "an ode", "a song", "a hymn"])
    assert (outcome.completion.text, calls) == (WRITTEN, WAVE + 1) and len(outcome.alternatives) == WAVE


@pytest.mark.parametrize("options", [{"under_load": True}, {"tokens": 17}])
def test_no_synthesis_under_load_or_with_too_few_tokens(options):
    outcome, calls, _ = solve_auto(["a poem of old"] * 3 + ["an ode to joy"], **options)
    assert calls == WAVE and outcome.completion.text != WRITTEN


def test_n_of_one_decodes_one_sample():
    assert solve_auto(["a poem"], n=1)[1] == 1


def test_auto_samples_as_many_answers_as_requested():
    engine = ScriptedEngine(box_answers(7))
    session = build_session(engine, answers=6)
    assert len(solve(Auto(n=8), session).outcome.alternatives) >= 5


def test_schema_has_the_decision_table_and_its_thresholds():
    schema = Auto.model_json_schema()
    assert len(schema["decisions"]) == 8 == len(DECISIONS) and schema["thresholds"]["WAVE"] == WAVE


def test_synthesis_is_followed_by_as_many_answers_as_requested():
    session = build_session(writing([f"poem {letter}" for letter in "abcdefghijkl"], WRITTEN), answers=12)
    outcome = solve(Auto(n=12), session).outcome
    assert outcome.completion.text == WRITTEN and len(outcome.alternatives) == 12
