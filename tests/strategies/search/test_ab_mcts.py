import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.core.events import Scored
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import usage
from cogitate.strategies.core.types import Completion, Outcome, Sampling
from cogitate.strategies.search.ab_mcts import BetaPosterior, Node, add_child, select_path
from cogitate.strategies.self_refine import SelfRefine
from tests.fakes.run import QUESTION, build_session, events, solve

SEEDED = Sampling(max_tokens=100, seed=3)


def tree(rounds, **options):
    return SelfRefine(method="tree", verifier="scripted", rounds=rounds, **options)


def score_with(score):
    return Outcome(Completion(prompt=QUESTION, text="", finish="stop"), score=score)


def refined_text(prompt):
    return prompt.messages[-1].text


def improving(step, draft=0.1):
    """Drafts score `draft`; a refinement scores `step` more than the answer that it refines."""

    def script(prompt, sampling):
        text = refined_text(prompt)
        if "<candidate 0>" not in text:
            return f"worth {draft:.2f}"
        return f"worth {min(float(text.split('worth ')[1][:4]) + step, 0.99):.2f}"

    return ScriptedEngine(script)


def parse_worth(text):
    return float(text.split()[-1])


def test_score_updates_the_parent_and_all_nodes_on_the_path():
    root, first, second = Node(), Node(score_with(0.5)), Node(score_with(0.5))
    root.children, first.children = [first, Node()], [second]
    add_child([root, first, second], score_with(0.8))
    seen, prior = BetaPosterior(1.3, 0.7), BetaPosterior()
    assert (root.gen, root.cont, root.subtree) == (prior, seen, prior)
    assert (first.gen, first.cont, first.subtree) == (prior, seen, seen)
    assert (second.gen, second.cont, second.subtree) == (seen, prior, seen)
    assert second.children[0].subtree == prior and root.children[1].subtree == prior


def test_answer_without_verdict_updates_nothing_but_can_be_refined():
    root = Node()
    add_child([root], score_with(None))
    assert root.gen == BetaPosterior() and len(root.children) == 1


@pytest.mark.parametrize(("drafts", "refinements", "deep"), [(0.1, 0.9, True), (0.9, 0.1, False)])
def test_selection_follows_the_scores(drafts, refinements, deep):
    root, chance = Node(), random.Random(1)
    for _ in range(10):
        add_child([root], score_with(drafts))
        add_child([root, root.children[0]], score_with(refinements))
    deeper = [len(select_path(root, chance)) > 1 for _ in range(300)]
    assert sum(deeper) > 270 if deep else sum(deeper) < 30


def test_search_starts_with_a_draft():
    assert len(select_path(Node(), random.Random(0))) == 1


@pytest.mark.parametrize("seed", range(5))
def test_search_goes_deep_where_refinement_improves_scores(seed):
    """A draft scores 0.1, the third successive refinement 0.55."""
    session = build_session(improving(0.15), score_text=parse_worth, sampling=Sampling(max_tokens=100, seed=seed))
    outcome = solve(tree(31), session).outcome
    assert outcome.score >= 0.55 and len(outcome.alternatives) == 31


def test_search_goes_wide_where_refinement_lowers_scores():
    engine = improving(-0.4, draft=0.5)
    solve(tree(31), build_session(engine, score_text=parse_worth, sampling=SEEDED))
    drafts = sum("<candidate 0>" not in refined_text(prompt) for prompt, _ in engine.calls)
    assert drafts > 20


def test_the_same_seed_grows_the_same_tree():
    texts = []
    for _ in range(2):
        engine = improving(0.15)
        solve(tree(15), build_session(engine, score_text=parse_worth, sampling=SEEDED))
        texts.append([refined_text(prompt) for prompt, _ in engine.calls])
    assert texts[0] == texts[1] and len(set(texts[0])) > 2


def test_answer_with_score_1_ends_the_search():
    engine = ScriptedEngine(["bad \\boxed{1}", "right \\boxed{42}", "never"])
    outcome = solve(tree(9), build_session(engine, score_text=lambda text: float("right" in text))).outcome
    assert (
        outcome.answer.raw == "42" and [o.answer.raw for o in outcome.alternatives] == ["1"] and len(engine.calls) == 2
    )


@given(st.lists(st.floats(0, 0.99), min_size=2, max_size=9))
def test_best_answer_is_returned_within_the_declared_cost(scores):
    engine = ScriptedEngine([f"r{at} \\boxed{{{at}}}" for at in range(len(scores))])
    session = build_session(engine, score_text=lambda text: scores[int(text[1])])
    outcome = solve(tree(len(scores) - 1), session).outcome
    assert outcome.score == max(scores) and len(outcome.alternatives) == len(scores) - 1
    assert usage(session.trace).completion == engine.decoded <= tree(len(scores) - 1).cost(100)


def test_judge_tokens_are_counted_in_usage():
    engine = ScriptedEngine(["word " * 300])
    session = build_session(engine)
    solve(SelfRefine(method="tree", rounds=3), session)
    assert engine.decoded == usage(session.trace).completion == tree(3).cost(100) == 404


def test_search_continues_after_lost_answers():
    replies = [SampleFailed("gone"), "so \\boxed{1}", SampleFailed("gone"), "or \\boxed{2}"]
    session = build_session(ScriptedEngine(replies), score_text=lambda text: 0.9 if "2" in text else 0.1)
    outcome = solve(tree(3), session).outcome
    assert outcome.answer.raw == "2" and len(outcome.alternatives) == 1 == len(events(session, Scored)) - 1


def test_search_raises_where_all_answers_are_lost():
    with pytest.raises(SampleFailed, match="the third"):
        solve(
            tree(2), build_session(ScriptedEngine([SampleFailed(f"the {nth}") for nth in ("first", "second", "third")]))
        )


def test_exhausted_budget_returns_the_best_answer_so_far():
    engine = ScriptedEngine(["a b c \\boxed{1}", "d e f \\boxed{2}", "g h i \\boxed{3}"])
    session = build_session(engine, score_text=lambda text: 0.2 if "1" in text else 0.1, tokens=12)
    finished = solve(tree(9), session)
    assert (finished.stopped, finished.outcome.answer.raw) == ("budget", "1") and engine.decoded <= 12


def test_deadline_before_the_first_verdict_returns_the_draft():
    engine = ScriptedEngine(["so \\boxed{1}", "slow " * 90], pace=lambda call: 0.0 if call == 0 else 0.05)
    finished = solve(tree(9), build_session(engine, score_text=lambda text: 0.5), seconds=0.2)
    assert (finished.stopped, finished.outcome.answer.raw) == ("deadline", "1")
