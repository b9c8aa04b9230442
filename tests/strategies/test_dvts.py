import itertools

import pytest
from pydantic import ValidationError

from cogitate.strategies.core.events import Sampled
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import usage
from cogitate.strategies.dvts import Dvts
from cogitate.strategies.verifiers.programmatic import STEP_SEPARATOR as SEP
from tests.fakes.run import build_session, events, solve
from tests.strategies.test_beam_search import tree

LETTERS = "abcd"


def search(**options):
    return Dvts(verifier="scripted", **options)


def build_tree():
    """Build two steps of four branches each, then an answer: the children of each prefix, and each text's score."""
    firsts = [letter + SEP for letter in LETTERS]
    children = {"": firsts} | dict.fromkeys(firsts, firsts)
    children |= {first + second: [f"so \\boxed{{{second[0]}}}"] for first in firsts for second in firsts}
    worth = itertools.count(1)
    scores = {text: (next(worth) * 37 % 101) / 101 for text in texts(children)}
    return children, scores


def texts(children, prefix=""):
    for child in children.get(prefix, []):
        yield prefix + child
        yield from texts(children, prefix + child)


def test_search_equals_a_reference_implementation():
    """Two subtrees of width two: the first gets the children a and b, the second c and d."""
    children, scores = build_tree()
    leaves = []
    for at in (0, 2):
        head = max(children[""][at : at + 2], key=scores.__getitem__)
        second = max((head + child for child in children[head][:2]), key=scores.__getitem__)
        leaves += [second + children[second][0]] * 2
    engine = tree(children)
    finished = solve(search(n=4, width=2), build_session(engine, score_text=scores.__getitem__))
    shown = (finished.outcome, *finished.outcome.alternatives)
    assert sorted(o.completion.text for o in shown) == sorted(leaves) and len(engine.calls) == 12


def test_better_subtree_does_not_displace_another():
    children = {"": ["a" + SEP, "b" + SEP], "a" + SEP: ["\\boxed{1}"], "b" + SEP: ["\\boxed{2}"]}
    session = build_session(tree(children), score_text=lambda text: 0.9 if text.startswith("a") else 0.1)
    finished = solve(search(n=2, width=1), session)
    assert [o.answer.raw for o in (finished.outcome, *finished.outcome.alternatives)] == ["1", "2"]


def test_weighted_vote_sums_scores_and_unweighted_takes_the_best_leaf():
    scores = {"x \\boxed{1}": 0.4, "y \\boxed{1}": 0.4, "z \\boxed{2}": 0.7, "w": 0.9}
    for weighted, answer in ((True, "1"), (False, None)):
        engine = tree({"": list(scores)})
        finished = solve(search(n=4, width=2, weighted=weighted), build_session(engine, score_text=scores.__getitem__))
        assert (finished.outcome.answer and finished.outcome.answer.raw) == answer
        assert len(finished.outcome.alternatives) == 3


def test_child_that_finishes_early_frees_its_slot_and_competes():
    scores = {"early \\boxed{1}": 0.6, f"slow{SEP}": 0.9, f"slow{SEP}late \\boxed{{2}}": 0.2}
    engine = tree({"": ["early \\boxed{1}", "slow" + SEP], "slow" + SEP: ["late \\boxed{2}"]})
    finished = solve(search(n=2, width=2), build_session(engine, score_text=scores.__getitem__))
    assert len(engine.calls) == 3
    assert [o.answer.raw for o in (finished.outcome, *finished.outcome.alternatives)] == ["1", "2"]


def test_last_level_retains_all_leaves():
    leaves = [f"and {at} {SEP} \\boxed{{{at}}}" for at in range(3)]
    engine = tree({"": ["a" + SEP], "a" + SEP: leaves})
    finished = solve(search(n=3, width=3, max_steps=2), build_session(engine, score_text=lambda text: 0.5))
    assert {o.answer.raw for o in (finished.outcome, *finished.outcome.alternatives)} == {"0", "1", "2"}


def test_search_survives_a_failed_step_and_a_lost_subtree():
    def reply(prompt, sampling):
        lost = len(engine.calls) == 1 or prompt.prefix.startswith("b")
        text = {1: "a", 2: "a", 3: "b", 4: "b"}.get(len(engine.calls), "")
        return SampleFailed("gone") if lost else text + SEP if text else "\\boxed{7}"

    engine = ScriptedEngine(reply)
    finished = solve(search(n=4, width=2), build_session(engine, score_text=lambda text: 0.5))
    assert [o.answer.raw for o in (finished.outcome, *finished.outcome.alternatives)] == ["7", "7"]


def test_prefixes_are_the_answer_where_every_next_step_fails():
    engine = ScriptedEngine(lambda prompt, _: SampleFailed("gone") if prompt.prefix else "so far 1" + SEP)
    finished = solve(search(n=2, width=2), build_session(engine, score_text=lambda text: 0.5))
    assert finished.outcome.completion.text == "so far 1" + SEP
    with pytest.raises(SampleFailed):
        solve(search(n=2, width=2), build_session(ScriptedEngine([SampleFailed("gone")])))


def test_deadline_returns_the_best_prefix():
    engine = tree({"": ["bad" + SEP, "better" + SEP], "better" + SEP: ["x"]})
    engine.pace = lambda call: 0.001 if call < 2 else 9
    finished = solve(search(n=2, width=2), build_session(engine, score_text=lambda text: 0.1 * len(text)), seconds=0.1)
    assert finished.stopped == "deadline" and finished.outcome.completion.text == "better" + SEP


def test_decoded_tokens_never_exceed_the_cost():
    children, scores = build_tree()
    strategy, engine = search(n=8, width=2), tree(children)
    session = build_session(engine, score_text=scores.__getitem__)
    solve(strategy, session)
    assert usage(session.trace).completion == engine.decoded <= strategy.cost(100)
    assert sum(event.completion.is_complete for event in events(session, Sampled)) == strategy.candidates == 8


def test_n_must_be_a_multiple_of_width():
    with pytest.raises(ValidationError, match="multiple of width"):
        Dvts(n=5, width=2)
    assert Dvts(n=6, width=3).min_candidates == 3
