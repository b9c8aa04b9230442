"""What the step-wise searches share."""

import random

import pytest

from strategies.beam_search import BeamSearch
from strategies.dvts import Dvts
from strategies.particle_filter import ParticleFilter
from strategies.paths import STEP
from strategies.ports import SampleFailed
from strategies.trace import usage
from strategies.types import Sampling
from tests.scripted import ScriptedEngine
from tests.strategies.solving import run_of, solve
from tests.strategies.test_beam_search import tree

SEARCHES = {
    "beam_search": lambda **options: BeamSearch(n=2, width=2, verifier="scripted", **options),
    "dvts": lambda **options: Dvts(n=2, width=2, verifier="scripted", **options),
    "particle_filter": lambda **options: ParticleFilter(n=2, verifier="scripted", **options),
}
each_search = pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)


@each_search
def test_an_empty_last_step_is_not_judged(search):
    """The model ends its turn behind the blank line: the step before keeps its score."""
    asked = []
    engine = tree({"": ["\\boxed{1}" + STEP], "\\boxed{1}" + STEP: [""]})
    run = run_of(engine, opinion=lambda text: asked.append(text) or 0.7)
    finished = solve(search(), run)
    assert asked == ["\\boxed{1}" + STEP]
    assert finished.outcome.answer.raw == "1" and finished.outcome.score == 0.7


@each_search
def test_who_says_nothing_at_all_is_worth_nothing(search):
    asked = []
    finished = solve(search(), run_of(tree({"": [STEP]}), opinion=asked.append))
    assert asked == [] and finished.outcome.score == 0


@each_search
def test_a_path_never_outgrows_max_tokens(search):
    """Its last token may be the very one that ends a step."""
    engine = tree({"": ["a b" + STEP], "a b" + STEP: ["never"]})
    run = run_of(engine, opinion=lambda text: 0.5, sampling=Sampling(max_tokens=3))
    completion = solve(search(), run).outcome.completion
    assert (completion.text, completion.finish, completion.completion_tokens) == ("a b" + STEP, "length", 3)


@each_search
def test_an_engine_that_makes_nothing_at_all_is_an_error(search):
    with pytest.raises(SampleFailed):
        solve(search(), run_of(ScriptedEngine([SampleFailed("gone")])))


@each_search
def test_paths_of_the_same_text_are_judged_once(search):
    asked = []
    engine = tree({"": ["same" + STEP], "same" + STEP: ["end"]})
    solve(search(), run_of(engine, opinion=lambda text: asked.append(text) or 0.5))
    assert asked == ["same" + STEP, f"same{STEP}end"]


@each_search
def test_it_declares_what_it_takes(search):
    strategy = search(max_steps=5)
    assert strategy.stepwise and strategy.needs == {"continue"} and strategy.candidates == 2
    assert strategy.cost(100) == 2 * (2 * 100 + 5)
    assert strategy.fewest == getattr(strategy, "width", 1)


@each_search
@pytest.mark.parametrize("chance", range(20))
def test_on_random_trees_every_answer_is_ranked_and_the_bill_kept(search, chance):
    """Steps of any length, ends and losses anywhere."""
    dice = random.Random(chance)

    def reply(prompt, sampling):
        if dice.random() < 0.1 and prompt.prefix:
            return SampleFailed("gone")
        return " ".join("abc"[: dice.randint(0, 3)]) + dice.choice([STEP, STEP, " \\boxed{1}", ""])

    engine = ScriptedEngine(reply)
    run = run_of(engine, opinion=lambda text: dice.random(), sampling=Sampling(max_tokens=20, seed=chance))
    strategy = search(max_steps=6)
    outcome = solve(strategy, run).outcome
    ranked = [outcome, *outcome.others]
    assert 1 <= len(ranked) <= strategy.candidates
    assert all(o.completion.completion_tokens <= 20 for o in ranked)
    assert usage(run.trace).completion == engine.decoded <= strategy.cost(20)
