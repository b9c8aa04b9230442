import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.trace import Scored, usage
from cogitate.strategies.core.types import Completion, Outcome, Sampling
from cogitate.strategies.search.ab_mcts import Belief, Node, chosen, grown
from cogitate.strategies.self_refine import SelfRefine
from tests.fakes.run import QUESTION, events, run_of, solve
from tests.fakes.scripted import ScriptedEngine

SEEDED = Sampling(max_tokens=100, seed=3)


def tree(rounds, **options):
    return SelfRefine(method="tree", verifier="scripted", rounds=rounds, **options)


def scored(score):
    return Outcome(Completion(prompt=QUESTION, text="", finish="stop"), score=score)


def asked(prompt):
    return prompt.messages[-1].text


def improving(step, draft=0.1):
    """Drafts are worth `draft`; a revision `step` more than the answer it is made from."""

    def script(prompt, sampling):
        text = asked(prompt)
        if "<candidate 0>" not in text:
            return f"worth {draft:.2f}"
        return f"worth {min(float(text.split('worth ')[1][:4]) + step, 0.99):.2f}"

    return ScriptedEngine(script)


def worth(text):
    return float(text.split()[-1])


def mean(belief):
    return belief.high / (belief.high + belief.low)


def test_a_score_counts_where_it_was_made_and_along_the_way():
    root, first, second = Node(), Node(scored(0.5)), Node(scored(0.5))
    root.children, first.children = [first, Node()], [second]
    grown([root, first, second], scored(0.8))
    seen, prior = Belief(1.3, 0.7), Belief()
    assert (root.wider, root.deeper, root.below) == (prior, seen, prior)
    assert (first.wider, first.deeper, first.below) == (prior, seen, seen)
    assert (second.wider, second.deeper, second.below) == (seen, prior, seen)
    assert second.children[0].below == prior and root.children[1].below == prior


def test_a_lost_verdict_teaches_nothing_but_can_be_revised():
    root = Node()
    grown([root], scored(None))
    assert root.wider == Belief() and len(root.children) == 1


@pytest.mark.parametrize(("drafts", "revisions", "deep"), [(0.1, 0.9, True), (0.9, 0.1, False)])
def test_it_goes_where_the_scores_are(drafts, revisions, deep):
    root, chance = Node(), random.Random(1)
    for _ in range(10):
        grown([root], scored(drafts))
        grown([root, root.children[0]], scored(revisions))
    ways = [len(chosen(root, chance)) > 1 for _ in range(300)]
    assert sum(ways) > 270 if deep else sum(ways) < 30


def test_a_root_without_children_is_drafted_from():
    assert len(chosen(Node(), random.Random(0))) == 1


@pytest.mark.parametrize("seed", range(5))
def test_where_revising_pays_the_answer_is_revised_again_and_again(seed):
    """A draft is worth 0.1; three revisions of one another 0.55."""
    run = run_of(improving(0.15), opinion=worth, sampling=Sampling(max_tokens=100, seed=seed))
    outcome = solve(tree(31), run).outcome
    assert outcome.score >= 0.55 and len(outcome.others) == 31


def test_where_revising_spoils_it_mostly_drafts():
    engine = improving(-0.4, draft=0.5)
    solve(tree(31), run_of(engine, opinion=worth, sampling=SEEDED))
    drafts = sum("<candidate 0>" not in asked(prompt) for prompt, _ in engine.calls)
    assert drafts > 20


def test_with_a_seed_it_grows_the_same_tree():
    texts = []
    for _ in range(2):
        engine = improving(0.15)
        solve(tree(15), run_of(engine, opinion=worth, sampling=SEEDED))
        texts.append([asked(prompt) for prompt, _ in engine.calls])
    assert texts[0] == texts[1] and len(set(texts[0])) > 2


def test_a_perfect_answer_ends_it():
    engine = ScriptedEngine(["bad \\boxed{1}", "right \\boxed{42}", "never"])
    outcome = solve(tree(9), run_of(engine, opinion=lambda text: float("right" in text))).outcome
    assert outcome.answer.raw == "42" and [o.answer.raw for o in outcome.others] == ["1"] and len(engine.calls) == 2


@given(st.lists(st.floats(0, 0.99), min_size=2, max_size=9))
def test_the_best_is_served_at_no_more_than_was_declared(marks):
    engine = ScriptedEngine([f"r{at} \\boxed{{{at}}}" for at in range(len(marks))])
    run = run_of(engine, opinion=lambda text: marks[int(text[1])])
    outcome = solve(tree(len(marks) - 1), run).outcome
    assert outcome.score == max(marks) and len(outcome.others) == len(marks) - 1
    assert usage(run.trace).completion == engine.decoded <= tree(len(marks) - 1).cost(100)


def test_judges_are_paid_for_too():
    engine = ScriptedEngine(["word " * 300])
    run = run_of(engine)
    solve(SelfRefine(method="tree", rounds=3), run)
    assert engine.decoded == usage(run.trace).completion == tree(3).cost(100) == 404


def test_lost_answers_are_survived():
    replies = [SampleFailed("gone"), "so \\boxed{1}", SampleFailed("gone"), "or \\boxed{2}"]
    run = run_of(ScriptedEngine(replies), opinion=lambda text: 0.9 if "2" in text else 0.1)
    outcome = solve(tree(3), run).outcome
    assert outcome.answer.raw == "2" and len(outcome.others) == 1 == len(events(run, Scored)) - 1


def test_where_all_are_lost_it_is_the_engines_loss():
    with pytest.raises(SampleFailed, match="the third"):
        solve(tree(2), run_of(ScriptedEngine([SampleFailed(f"the {nth}") for nth in ("first", "second", "third")])))


def test_a_budget_that_ends_leaves_the_best_so_far():
    engine = ScriptedEngine(["a b c \\boxed{1}", "d e f \\boxed{2}", "g h i \\boxed{3}"])
    run = run_of(engine, opinion=lambda text: 0.2 if "1" in text else 0.1, tokens=12)
    finished = solve(tree(9), run)
    assert (finished.stopped, finished.outcome.answer.raw) == ("budget", "1") and engine.decoded <= 12


def test_a_deadline_before_the_first_verdict_leaves_the_draft():
    engine = ScriptedEngine(["so \\boxed{1}", "slow " * 90], pace=lambda call: 0.0 if call == 0 else 0.05)
    finished = solve(tree(9), run_of(engine, opinion=lambda text: 0.5), seconds=0.2)
    assert (finished.stopped, finished.outcome.answer.raw) == ("deadline", "1")
