"""Samples of earlier searches come first, cost nothing, and are drawn only once."""

from dataclasses import replace

import pytest

from cogitate.strategies.auto import Auto
from cogitate.strategies.best_of_n import BestOfN
from cogitate.strategies.core.events import Failed, Sampled
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.prompt import Message, Prompt, Segment
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.stock import SampleStock, count_reused, identify
from cogitate.strategies.core.trace import count_candidates, usage
from cogitate.strategies.program_aided import ProgramAided
from cogitate.strategies.selection import Selection
from cogitate.strategies.self_consistency import SelfConsistency
from cogitate.strategies.synthesis import Synthesis
from tests.fakes.run import build_session, events, solve


def box(*answers):
    return [f"so \\boxed{{{answer}}}" for answer in answers]


def search(strategy, replies, stock=None, **more):
    """Run a strategy that goes on from the samples of `stock`, an earlier session; return its session and outcome."""
    session = build_session(ScriptedEngine(replies), **more)
    if stock is not None:
        earlier = {}
        for sample in stock.stock.drawn:
            earlier.setdefault(identify(sample.prompt), []).append(sample)
        session.stock = SampleStock(earlier)
    return session, solve(strategy, session)


def vote(n, **options):
    return SelfConsistency(n=n, **({"stop_rule": "none"} | options))


def test_only_the_missing_samples_are_drawn_and_billed():
    first, _ = search(vote(8), box(1, 2))
    second, finished = search(vote(16), box(2), first)
    assert len(second.engine.calls) == 8
    assert (count_candidates(second.trace), count_reused(second.trace)) == (16, 8)
    assert usage(second.trace).completion == second.engine.decoded
    assert finished.outcome.answer.raw == "2" and finished.outcome.agreement == 12 / 16


def test_search_that_draws_nothing_costs_nothing():
    first, _ = search(vote(8), box(1))
    second, finished = search(vote(8), box(2), first)
    assert not second.engine.calls and finished.stopped == "completed"
    spent = usage(second.trace)
    assert (spent.prompt, spent.completion, spent.depth) == (0, 0, 0)


def test_nothing_is_decoded_where_the_earlier_samples_decide():
    first, _ = search(vote(8), box(1))
    second, finished = search(vote(16, stop_rule="beta"), box(2), first)
    assert not second.engine.calls and finished.stopped == "decided"
    assert count_reused(second.trace) == count_candidates(second.trace) < 8


def test_open_vote_goes_on_with_new_samples():
    first, _ = search(vote(4), box(1, 2))
    second, finished = search(vote(16, stop_rule="beta"), box(1), first)
    assert second.engine.calls and count_reused(second.trace) == 4 and finished.outcome.answer.raw == "1"


def test_samples_of_a_decided_vote_are_kept():
    first, finished = search(vote(16, stop_rule="beta"), box(1))
    kept = count_candidates(first.trace)
    assert finished.stopped == "decided" and len(first.stock.drawn) == kept < 16
    second, _ = search(vote(16), box(1), first)
    assert len(second.engine.calls) == 16 - kept


def test_earlier_samples_are_numbered_like_new_ones():
    first, _ = search(vote(3), box(1))
    second, _ = search(vote(5), box(1), first)
    assert sorted(event.completion.index for event in events(second, Sampled)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "strategy",
    [
        vote(6),
        BestOfN(n=6, verifier="scripted"),
        Selection(n=6),
        Auto(n=6),
        Synthesis(n=6),
        ProgramAided(n=6, chains=2, stop_rule="none", instruction=""),
    ],
    ids=lambda strategy: strategy.name,
)
def test_every_strategy_of_independent_samples_reuses_them(strategy):
    assert strategy.draws_samples
    first, _ = search(strategy, box(1))
    second, _ = search(strategy, box(1), first)
    assert len(first.stock.drawn) == len(first.engine.calls) and not second.engine.calls


def test_second_wave_takes_other_samples_than_the_first():
    first, _ = search(vote(8), box(1, 2, 3))
    second, _ = search(Auto(n=8), box(4), first)
    texts = [event.completion.text for event in events(second, Sampled) if event.completion.reused]
    assert len(texts) == 8 and texts == [sample.text for sample in first.stock.drawn]


def test_failed_samples_are_not_kept():
    first, _ = search(vote(2), [SampleFailed("gone"), *box(1)])
    assert [sample.text for sample in first.stock.drawn] == box(1)


def test_samples_that_reached_their_limit_are_kept_lest_short_ones_be_selected():
    first, _ = search(vote(2), ["word " * 200, *box(1)])
    assert sorted(sample.finish for sample in first.stock.drawn) == ["length", "stop"]


def test_samples_under_a_confidence_threshold_are_not_kept():
    session = build_session(ScriptedEngine(box(1)))
    solve(SelfConsistency(n=8, stop_rule="none", floor="low", warmup=2), session)
    assert len(session.stock.drawn) == 2 and len(session.engine.calls) == 8


def test_earlier_samples_stand_where_all_new_ones_fail():
    first, _ = search(vote(2), box(1))
    for rule in ("none", "beta"):
        second, finished = search(vote(4, stop_rule=rule), [SampleFailed("gone")], first)
        assert finished.outcome.answer.raw == "1" and len(events(second, Failed)) == 2


def test_earlier_samples_stand_where_no_tokens_are_left():
    first, _ = search(vote(2), box(1))
    second, finished = search(vote(4), box(2), first, tokens=0)
    assert (finished.outcome.answer.raw, finished.stopped) == ("1", "budget") and not second.engine.calls


@pytest.mark.parametrize(
    "other",
    [
        Prompt((Message("user", "What is 6*8?"),)),
        Prompt((Message("system", "What is 6*7?"),)),
        Prompt((Message("user", "What is 6*7?"), Message("user", ""))),
        Prompt((Message("user", "What is 6*7?"),), segments=(Segment("so"),)),
        Prompt((), raw="What is 6*7?"),
        Prompt((), raw=(1, 2)),
    ],
)
def test_prompts_of_other_texts_share_no_samples(other):
    question = Prompt((Message("user", "What is 6*7?"),))
    assert identify(question) == identify(replace(question)) != identify(other)
