"""What the step-wise searches share."""

import random

import pytest

from cogitate.strategies.beam_search import BeamSearch
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import usage
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.dvts import Dvts
from cogitate.strategies.particle_filter import ParticleFilter
from cogitate.strategies.verifiers.programmatic import STEP_SEPARATOR
from tests.fakes.run import build_session, solve
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
    engine = tree({"": ["\\boxed{1}" + STEP_SEPARATOR], "\\boxed{1}" + STEP_SEPARATOR: [""]})
    session = build_session(engine, score_text=lambda text: asked.append(text) or 0.7)
    finished = solve(search(), session)
    assert asked == ["\\boxed{1}" + STEP_SEPARATOR]
    assert finished.outcome.answer.raw == "1" and finished.outcome.score == 0.7


@each_search
@pytest.mark.parametrize("before", ["", "First, think of 7." + STEP_SEPARATOR])
def test_a_blank_line_too_many_ends_no_path(search, before):
    """It is a step that says nothing new: it is not judged, and the path goes on."""
    asked, end = [], "So it is \\boxed{42}."
    engine = tree({"": [before or STEP_SEPARATOR], before: [STEP_SEPARATOR], before + STEP_SEPARATOR: [end]})
    finished = solve(search(), build_session(engine, score_text=lambda text: asked.append(text) or 0.7))
    assert finished.outcome.completion.text == before + STEP_SEPARATOR + end and finished.outcome.answer.raw == "42"
    assert set(asked) == {text for text in (before, before + STEP_SEPARATOR + end) if text}


@each_search
@pytest.mark.parametrize("before", ["", "First, think of 7." + STEP_SEPARATOR])
def test_who_says_nothing_twice_is_cut_off_there(search, before):
    asked, says = (
        [],
        {before + STEP_SEPARATOR * steps: [STEP_SEPARATOR] for steps in range(9)} | ({"": [before]} if before else {}),
    )
    engine = tree(says)
    outcome = solve(search(), build_session(engine, score_text=lambda text: asked.append(text) or 0.6)).outcome
    assert outcome.completion.text == before + STEP_SEPARATOR * 2 and outcome.completion.finish == "length"
    assert set(asked) == ({before} if before else set()) and len(engine.calls) <= 2 * (2 + bool(before))


GONE = SampleFailed("the judge is gone")


@each_search
@pytest.mark.parametrize("lost", [(), GONE], ids=["one", "all"])
def test_a_step_whose_verdict_is_lost_keeps_its_score_and_the_search_goes_on(search, lost):
    first = "Let us take 6 of 7." + STEP_SEPARATOR
    engine = tree(
        {"": [first], first: ["Add." + STEP_SEPARATOR], f"{first}Add.{STEP_SEPARATOR}": ["It is \\boxed{42}."]}
    )
    opinions = {first: 0.6, f"{first}Add.{STEP_SEPARATOR}": lost}
    finished = solve(search(), build_session(engine, score_text=lambda text: opinions.get(text, 0.8)))
    assert finished.outcome.answer.raw == "42" and finished.outcome.completion.finish == "stop"


@each_search
@pytest.mark.parametrize("lost", [(), GONE], ids=["each", "all"])
def test_where_no_verdict_comes_the_search_ends_with_a_whole_answer(search, lost):
    engine = tree({"": ["Take 6." + STEP_SEPARATOR], "Take 6." + STEP_SEPARATOR: ["It is \\boxed{42}."]})
    outcome = solve(search(), build_session(engine, score_text=lambda text: lost)).outcome
    assert outcome.answer.raw == "42" and outcome.score is None


@each_search
def test_a_path_that_would_go_on_is_cut_off_and_does_not_answer_by_its_last_number(search):
    """All that would follow is lost."""
    engine = tree(
        {"": ["We need 6 times 7." + STEP_SEPARATOR], "We need 6 times 7." + STEP_SEPARATOR: [SampleFailed("gone")]}
    )
    outcome = solve(search(), build_session(engine, score_text=lambda text: 0.6)).outcome
    assert outcome.answer is None and outcome.completion.finish == "length"


@each_search
def test_a_path_never_outgrows_max_tokens(search):
    """Its last token may be the very one that ends a step."""
    engine = tree({"": ["a b" + STEP_SEPARATOR], "a b" + STEP_SEPARATOR: ["never"]})
    session = build_session(engine, score_text=lambda text: 0.5, sampling=Sampling(max_tokens=3))
    completion = solve(search(), session).outcome.completion
    assert (completion.text, completion.finish, completion.completion_tokens) == ("a b" + STEP_SEPARATOR, "length", 3)


@each_search
def test_an_engine_that_makes_nothing_at_all_is_an_error(search):
    with pytest.raises(SampleFailed):
        solve(search(), build_session(ScriptedEngine([SampleFailed("gone")])))


@each_search
def test_paths_of_the_same_text_are_judged_once(search):
    asked = []
    engine = tree({"": ["same" + STEP_SEPARATOR], "same" + STEP_SEPARATOR: ["end"]})
    solve(search(), build_session(engine, score_text=lambda text: asked.append(text) or 0.5))
    assert asked == ["same" + STEP_SEPARATOR, f"same{STEP_SEPARATOR}end"]


@each_search
def test_it_declares_what_it_takes(search):
    strategy = search(max_steps=5)
    assert strategy.stepwise and strategy.needs == {"continue"} and strategy.candidates == 2
    assert strategy.cost(100) == 2 * (2 * 100 + 5)
    assert strategy.min_candidates == getattr(strategy, "width", 1)


@each_search
@pytest.mark.parametrize("chance", range(20))
def test_on_random_trees_every_answer_is_ranked_and_the_bill_kept(search, chance):
    """Steps of any length, ends and losses anywhere."""
    dice = random.Random(chance)

    def reply(prompt, sampling):
        if dice.random() < 0.1 and prompt.prefix:
            return SampleFailed("gone")
        return " ".join("abc"[: dice.randint(0, 3)]) + dice.choice([STEP_SEPARATOR, STEP_SEPARATOR, " \\boxed{1}", ""])

    engine = ScriptedEngine(reply)
    session = build_session(
        engine, score_text=lambda text: dice.random(), sampling=Sampling(max_tokens=20, seed=chance)
    )
    strategy = search(max_steps=6)
    outcome = solve(strategy, session).outcome
    ranked = [outcome, *outcome.alternatives]
    assert 1 <= len(ranked) <= strategy.candidates
    assert all(o.completion.completion_tokens <= 20 for o in ranked)
    assert usage(session.trace).completion == engine.decoded <= strategy.cost(20)
