"""Candidates that say nothing, cut off in their thoughts, are no class of their own."""

import pytest

from cogitate.strategies.auto import Auto
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.search.population import complete_candidates, identity_key, largest_share
from cogitate.strategies.selection import Selection
from cogitate.strategies.synthesis import Synthesis
from tests.fakes.run import build_session, solve
from tests.strategies.test_selection import judging
from tests.strategies.voting.test_stop_rules import outcome

THOUGHT = "<think> let me see, this is a long one and it goes on"
SHORT = Sampling(max_tokens=8)
METHODS = ["universal", "genselect", "knockout"]


def test_who_says_nothing_is_like_nobody():
    silent = [outcome(at, None, text=THOUGHT) for at in range(3)]
    assert len(set(map(identity_key, silent))) == 3 and largest_share(silent) == pytest.approx(1 / 3)


def test_what_is_worth_reading_has_an_answer_or_an_end_else_it_says_anything():
    answered = outcome(0, "7", text="\\boxed{7} and", finish="length")
    ended, cut = outcome(1, None, text="a poem"), outcome(2, None, text="a poe", finish="length")
    silent = outcome(3, None, text=THOUGHT, finish="length")
    assert complete_candidates([silent, cut, ended, answered]) == [ended, answered]
    assert complete_candidates([silent, cut]) == [cut] and complete_candidates([silent]) == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("said", ["no idea", "Response 0"])
def test_a_selection_neither_shows_nor_serves_those(method, said):
    shown = []
    texts = [THOUGHT, THOUGHT, THOUGHT, "an essay on cats", "an essay on dogs"]
    engine = judging(texts, lambda text: shown.append(text) or said)
    outcome = solve(Selection(n=5, method=method), build_session(engine, sampling=SHORT)).outcome
    assert outcome.completion.text.startswith("an essay") and len(outcome.alternatives) == 4
    assert all(text.count("<candidate ") == 2 for text in shown)


@pytest.mark.parametrize("strategy", [*(Selection(n=4, method=m) for m in METHODS), Synthesis(), Auto(n=4)])
def test_where_nobody_says_anything_there_is_nothing_to_read(strategy):
    engine = ScriptedEngine([THOUGHT])
    outcome = solve(strategy, build_session(engine, sampling=SHORT)).outcome
    assert outcome.agreement is None and not any("<candidate 0>" in p.messages[-1].text for p, _ in engine.calls)


def test_a_synthesis_reads_those_that_came_to_their_end():
    texts = iter([THOUGHT, "an essay on cats", THOUGHT, "an essay on dogs"])
    engine = ScriptedEngine(lambda prompt, sampling: next(texts, "an essay on both"))
    solve(Synthesis(method="moa", loops=1), build_session(engine, sampling=SHORT))
    assert engine.calls[-1][0].messages[-1].text.count("<candidate ") == 2
