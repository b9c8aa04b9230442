"""The launch policy: how many samples are in flight, by the state of the vote."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.auto import Auto
from cogitate.strategies.core.budget import Budget
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.program_aided import ProgramAided
from cogitate.strategies.self_consistency import SelfConsistency
from cogitate.strategies.voting.launch_policy import MAX_SPECULATIVE, SPECULATION, LaunchPolicy
from cogitate.strategies.voting.stop_rules import is_decided, votes_to_settle
from tests.fakes.programs import InProcessPrograms
from tests.fakes.run import build_session, solve
from tests.strategies.voting.test_ballot import outcomes, tally

RULES = ("certain", "beta", "predictive")


def box_each(*answers):
    return [f"so \\boxed{{{answer}}}" for answer in answers]


def blocs_of(votes):
    return tally(outcomes(votes)) if votes else []


def run_vote(strategy, answers, *, slow_from, under_load=False):
    """Return the engine after a vote whose samples from the call `slow_from` on never end."""
    engine = ScriptedEngine(box_each(*answers), pace=lambda call: 0.001 if call < slow_from else 9)
    session = build_session(engine, sampling=Sampling(max_tokens=50))
    session = replace(session, budget=Budget(under_load=lambda: under_load))
    solve(strategy, session)
    return engine


@given(st.sampled_from(RULES), st.text("ab", max_size=12), st.integers(1, 24), st.floats(0.6, 0.99))
def test_votes_to_settle_are_the_fewest_that_all_go_to_the_leader(rule, votes, remaining, confidence):
    blocs = blocs_of(votes)
    leader = blocs[0].representative.answer.key if blocs else "a"
    needed = votes_to_settle(rule, blocs, remaining, confidence)
    assert 1 <= needed <= remaining
    for more in range(1, remaining):
        enough = is_decided(rule, blocs_of(votes + leader * more), remaining - more, confidence)
        assert enough == (more >= needed)


@given(st.sampled_from(RULES), st.integers(1, 64), st.data())
def test_width_is_between_one_and_the_limit_in_every_state(rule, n, data):
    votes = data.draw(st.text("abc", max_size=n - 1))
    policy = SelfConsistency(n=n, stop_rule=rule).launch
    needed = votes_to_settle(rule, blocs_of(votes), n - len(votes), 0.95)
    assert 1 <= policy.width(needed, under_load=False) <= policy.limit <= n
    assert 1 <= policy.width(needed, under_load=True) <= policy.width(needed, under_load=False)


def test_nothing_starts_while_nobody_disagrees():
    engine = run_vote(SelfConsistency(n=64, stop_rule="beta"), [42], slow_from=4)
    assert len(engine.calls) == min(MAX_SPECULATIVE, SPECULATION * 4) and engine.finished == 4


def test_votes_that_differ_start_more_samples():
    engine = run_vote(SelfConsistency(n=64, stop_rule="beta"), [1, 2], slow_from=99)
    assert engine.peak_running == MAX_SPECULATIVE and engine.finished > MAX_SPECULATIVE


def test_certain_starts_all_that_it_needs_in_any_case():
    engine = run_vote(SelfConsistency(n=64, stop_rule="certain"), [42], slow_from=99)
    assert engine.peak_running == 33 == engine.finished


def test_under_load_no_more_are_in_flight_than_can_settle_the_vote():
    engine = run_vote(SelfConsistency(n=64, stop_rule="beta"), [42], slow_from=99, under_load=True)
    assert engine.peak_running == 3 == len(engine.calls), "under load a posterior of 0.9 is enough"
    engine = run_vote(SelfConsistency(n=64, stop_rule="beta", confidence=0.95), [42], slow_from=99, under_load=True)
    assert engine.peak_running == 4 == len(engine.calls)
    engine = run_vote(SelfConsistency(n=64, stop_rule="certain"), [42], slow_from=99, under_load=True)
    assert engine.peak_running == 16


@pytest.mark.parametrize("strategy", [SelfConsistency, Auto, ProgramAided])
def test_latency_starts_all_samples_and_stops_by_the_same_rule(strategy):
    replies = [f"```python\nprint(42)\n```\nso \\boxed{{{42}}}"]
    engine = ScriptedEngine(replies, pace=lambda call: 0.001 if call < 4 else 9)
    session = build_session(engine)
    session.programs = InProcessPrograms()
    finished = solve(strategy(n=16, prefer="latency"), session)
    assert len(engine.calls) == 16 and engine.finished <= 4 and finished.stopped == "decided"


@pytest.mark.parametrize("strategy", [SelfConsistency, Auto, ProgramAided])
def test_concurrency_overrules_the_policy_and_the_preference(strategy):
    engine = ScriptedEngine(box_each(*range(16)), pace=0.001)
    session = build_session(engine)
    session.programs = InProcessPrograms()
    solve(strategy(n=16, prefer="latency", concurrency=2), session)
    assert engine.peak_running == 2 == strategy(n=16, concurrency=2).in_flight


def test_latency_yields_to_requests_that_wait():
    assert LaunchPolicy(16, 4, prefer="latency").width(4, under_load=False) == 16
    assert LaunchPolicy(16, 4, prefer="latency").width(4, under_load=True) == 4


def test_agreeing_window_is_paid_for_alone():
    engine = run_vote(SelfConsistency(n=16, stop_rule="windows", window=5), [42], slow_from=99)
    assert engine.finished == 5 == len(engine.calls)


def test_ranked_answers_that_the_client_asks_for_are_in_flight_together():
    engine = ScriptedEngine(box_each(42), pace=0.001)
    solve(SelfConsistency(n=16), build_session(engine, answers=10))
    assert engine.finished >= 10 and engine.peak_running == MAX_SPECULATIVE


def test_consensus_starts_its_warm_up_at_once():
    engine = run_vote(SelfConsistency(n=64, stop_rule="consensus", warmup=12), [42], slow_from=99)
    assert engine.peak_running == 12 == engine.finished
