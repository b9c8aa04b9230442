import itertools

import pytest
from pydantic import ValidationError

from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.trace import Sampled, usage
from cogitate.strategies.dvts import Dvts
from cogitate.strategies.search.steps import STEP
from tests.fakes.run import events, run_of, solve
from tests.fakes.scripted import ScriptedEngine
from tests.strategies.test_beam_search import tree

LETTERS = "abcd"


def search(**options):
    return Dvts(verifier="scripted", **options)


def scripted_tree():
    """Two steps of four ways each, then an answer: what each prefix is followed by, and what each text is worth."""
    firsts = [letter + STEP for letter in LETTERS]
    children = {"": firsts} | dict.fromkeys(firsts, firsts)
    children |= {first + second: [f"so \\boxed{{{second[0]}}}"] for first in firsts for second in firsts}
    worth = itertools.count(1)
    scores = {text: (next(worth) * 37 % 101) / 101 for text in texts(children)}
    return children, scores


def texts(children, prefix=""):
    for child in children.get(prefix, []):
        yield prefix + child
        yield from texts(children, prefix + child)


def test_it_is_the_search_written_out_by_hand():
    """Two subtrees of two: the first sees the children a and b, the second c and d."""
    children, scores = scripted_tree()
    leaves = []
    for at in (0, 2):
        head = max(children[""][at : at + 2], key=scores.__getitem__)
        second = max((head + child for child in children[head][:2]), key=scores.__getitem__)
        leaves += [second + children[second][0]] * 2
    engine = tree(children)
    finished = solve(search(n=4, width=2), run_of(engine, opinion=scores.__getitem__))
    shown = (finished.outcome, *finished.outcome.others)
    assert sorted(o.completion.text for o in shown) == sorted(leaves) and len(engine.calls) == 12


def test_subtrees_are_not_crowded_out_by_a_better_one():
    children = {"": ["a" + STEP, "b" + STEP], "a" + STEP: ["\\boxed{1}"], "b" + STEP: ["\\boxed{2}"]}
    run = run_of(tree(children), opinion=lambda text: 0.9 if text.startswith("a") else 0.1)
    finished = solve(search(n=2, width=1), run)
    assert [o.answer.raw for o in (finished.outcome, *finished.outcome.others)] == ["1", "2"]


def test_the_vote_adds_scores_up_unless_the_best_leaf_is_asked_for():
    scores = {"x \\boxed{1}": 0.4, "y \\boxed{1}": 0.4, "z \\boxed{2}": 0.7, "w": 0.9}
    for weighted, answer in ((True, "1"), (False, None)):
        engine = tree({"": list(scores)})
        finished = solve(search(n=4, width=2, weighted=weighted), run_of(engine, opinion=scores.__getitem__))
        assert (finished.outcome.answer and finished.outcome.answer.raw) == answer
        assert len(finished.outcome.others) == 3


def test_a_child_that_finishes_early_gives_up_its_slot_and_competes():
    scores = {"early \\boxed{1}": 0.6, f"slow{STEP}": 0.9, f"slow{STEP}late \\boxed{{2}}": 0.2}
    engine = tree({"": ["early \\boxed{1}", "slow" + STEP], "slow" + STEP: ["late \\boxed{2}"]})
    finished = solve(search(n=2, width=2), run_of(engine, opinion=scores.__getitem__))
    assert len(engine.calls) == 3
    assert [o.answer.raw for o in (finished.outcome, *finished.outcome.others)] == ["1", "2"]


def test_the_last_level_keeps_all_its_leaves():
    leaves = [f"and {at} {STEP} \\boxed{{{at}}}" for at in range(3)]
    engine = tree({"": ["a" + STEP], "a" + STEP: leaves})
    finished = solve(search(n=3, width=3, max_steps=2), run_of(engine, opinion=lambda text: 0.5))
    assert {o.answer.raw for o in (finished.outcome, *finished.outcome.others)} == {"0", "1", "2"}


def test_a_lost_step_is_survived_and_so_is_the_loss_of_a_subtree():
    def reply(prompt, sampling):
        lost = len(engine.calls) == 1 or prompt.prefix.startswith("b")
        text = {1: "a", 2: "a", 3: "b", 4: "b"}.get(len(engine.calls), "")
        return SampleFailed("gone") if lost else text + STEP if text else "\\boxed{7}"

    engine = ScriptedEngine(reply)
    finished = solve(search(n=4, width=2), run_of(engine, opinion=lambda text: 0.5))
    assert [o.answer.raw for o in (finished.outcome, *finished.outcome.others)] == ["7", "7"]


def test_when_every_next_step_is_lost_the_prefixes_are_the_answer():
    engine = ScriptedEngine(lambda prompt, _: SampleFailed("gone") if prompt.prefix else "so far 1" + STEP)
    finished = solve(search(n=2, width=2), run_of(engine, opinion=lambda text: 0.5))
    assert finished.outcome.completion.text == "so far 1" + STEP
    with pytest.raises(SampleFailed):
        solve(search(n=2, width=2), run_of(ScriptedEngine([SampleFailed("gone")])))


def test_the_deadline_returns_the_best_prefix():
    engine = tree({"": ["bad" + STEP, "better" + STEP], "better" + STEP: ["x"]})
    engine.pace = lambda call: 0.001 if call < 2 else 9
    finished = solve(search(n=2, width=2), run_of(engine, opinion=lambda text: 0.1 * len(text)), seconds=0.1)
    assert finished.stopped == "deadline" and finished.outcome.completion.text == "better" + STEP


def test_it_decodes_no_more_than_it_says():
    children, scores = scripted_tree()
    strategy, engine = search(n=8, width=2), tree(children)
    run = run_of(engine, opinion=scores.__getitem__)
    solve(strategy, run)
    assert usage(run.trace).completion == engine.decoded <= strategy.cost(100)
    assert sum(event.completion.ended for event in events(run, Sampled)) == strategy.candidates == 8


def test_n_must_be_a_multiple_of_width():
    with pytest.raises(ValidationError, match="multiple of width"):
        Dvts(n=5, width=2)
    assert Dvts(n=6, width=3).fewest == 3
