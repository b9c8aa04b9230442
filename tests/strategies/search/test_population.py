"""Candidates without text, which were cut off while thinking, do not count as equal."""

import pytest

from cogitate.strategies.auto import Auto
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.search.population import complete_candidates, identity_key, largest_share
from cogitate.strategies.selection import Selection
from cogitate.strategies.synthesis import Synthesis
from tests.fakes.run import build_session, solve
from tests.strategies.test_selection import judging
from tests.strategies.voting.test_ballot import outcome

THOUGHT = "<think> let me see, this is a long one and it goes on"
SHORT = Sampling(max_tokens=8)
METHODS = ["universal", "genselect", "knockout"]


def test_candidates_without_text_equal_no_other():
    silent = [outcome(at, None, text=THOUGHT) for at in range(3)]
    assert len(set(map(identity_key, silent))) == 3 and largest_share(silent) == pytest.approx(1 / 3)


def test_complete_candidates_fall_back_to_any_text():
    with_answer = outcome(0, "7", text="\\boxed{7} and", finish="length")
    complete, cut = outcome(1, None, text="a poem"), outcome(2, None, text="a poe", finish="length")
    silent = outcome(3, None, text=THOUGHT, finish="length")
    assert complete_candidates([silent, cut, complete, with_answer]) == [complete, with_answer]
    assert complete_candidates([silent, cut]) == [cut] and complete_candidates([silent]) == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("verdict", ["no idea", "Response 0"])
def test_selection_ignores_candidates_without_text(method, verdict):
    shown = []
    texts = [THOUGHT, THOUGHT, THOUGHT, "an essay on cats", "an essay on dogs"]
    engine = judging(texts, lambda text: shown.append(text) or verdict)
    outcome = solve(Selection(n=5, method=method), build_session(engine, sampling=SHORT)).outcome
    assert outcome.completion.text.startswith("an essay") and len(outcome.alternatives) == 4
    assert all(text.count("<candidate ") == 2 for text in shown)


@pytest.mark.parametrize("strategy", [*(Selection(n=4, method=m) for m in METHODS), Synthesis(), Auto(n=4)])
def test_candidates_are_not_compared_where_none_has_text(strategy):
    engine = ScriptedEngine([THOUGHT])
    outcome = solve(strategy, build_session(engine, sampling=SHORT)).outcome
    assert outcome.agreement is None and not any("<candidate 0>" in p.messages[-1].text for p, _ in engine.calls)


def test_synthesis_prefers_complete_candidates():
    texts = iter([THOUGHT, "an essay on cats", THOUGHT, "an essay on dogs"])
    engine = ScriptedEngine(lambda prompt, sampling: next(texts, "an essay on both"))
    solve(Synthesis(method="moa", loops=1), build_session(engine, sampling=SHORT))
    assert engine.calls[-1][0].messages[-1].text.count("<candidate ") == 2
