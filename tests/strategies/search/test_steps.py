"""Behaviour that all step-wise searches share."""

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
def test_empty_last_step_is_not_judged(search):
    """The model ends its turn after the separator: the previous step keeps its score."""
    asked = []
    engine = tree({"": ["\\boxed{1}" + STEP_SEPARATOR], "\\boxed{1}" + STEP_SEPARATOR: [""]})
    session = build_session(engine, score_text=lambda text: asked.append(text) or 0.7)
    finished = solve(search(), session)
    assert asked == ["\\boxed{1}" + STEP_SEPARATOR]
    assert finished.outcome.answer.raw == "1" and finished.outcome.score == 0.7


@each_search
@pytest.mark.parametrize("before", ["", "First, think of 7." + STEP_SEPARATOR])
def test_single_blank_step_does_not_end_a_path(search, before):
    """The blank step adds no text: it is not judged, and the path continues."""
    asked, end = [], "So it is \\boxed{42}."
    engine = tree({"": [before or STEP_SEPARATOR], before: [STEP_SEPARATOR], before + STEP_SEPARATOR: [end]})
    finished = solve(search(), build_session(engine, score_text=lambda text: asked.append(text) or 0.7))
    assert finished.outcome.completion.text == before + STEP_SEPARATOR + end and finished.outcome.answer.raw == "42"
    assert set(asked) == {text for text in (before, before + STEP_SEPARATOR + end) if text}


@each_search
@pytest.mark.parametrize("before", ["", "First, think of 7." + STEP_SEPARATOR])
def test_second_blank_step_truncates_the_path(search, before):
    asked = []
    replies = {before + STEP_SEPARATOR * steps: [STEP_SEPARATOR] for steps in range(9)} | (
        {"": [before]} if before else {}
    )
    engine = tree(replies)
    outcome = solve(search(), build_session(engine, score_text=lambda text: asked.append(text) or 0.6)).outcome
    assert outcome.completion.text == before + STEP_SEPARATOR * 2 and outcome.completion.finish == "length"
    assert set(asked) == ({before} if before else set()) and len(engine.calls) <= 2 * (2 + bool(before))


GONE = SampleFailed("the judge is gone")


@each_search
@pytest.mark.parametrize("lost", [(), GONE], ids=["one", "all"])
def test_path_keeps_its_score_where_a_verdict_is_lost(search, lost):
    first = "Let us take 6 of 7." + STEP_SEPARATOR
    engine = tree(
        {"": [first], first: ["Add." + STEP_SEPARATOR], f"{first}Add.{STEP_SEPARATOR}": ["It is \\boxed{42}."]}
    )
    opinions = {first: 0.6, f"{first}Add.{STEP_SEPARATOR}": lost}
    finished = solve(search(), build_session(engine, score_text=lambda text: opinions.get(text, 0.8)))
    assert finished.outcome.answer.raw == "42" and finished.outcome.completion.finish == "stop"


@each_search
@pytest.mark.parametrize("lost", [(), GONE], ids=["each", "all"])
def test_search_returns_a_complete_answer_without_any_verdict(search, lost):
    engine = tree({"": ["Take 6." + STEP_SEPARATOR], "Take 6." + STEP_SEPARATOR: ["It is \\boxed{42}."]})
    outcome = solve(search(), build_session(engine, score_text=lambda text: lost)).outcome
    assert outcome.answer.raw == "42" and outcome.score is None


@each_search
def test_unfinished_path_counts_as_truncated_and_does_not_vote_by_its_last_number(search):
    """All further steps are lost."""
    engine = tree(
        {"": ["We need 6 times 7." + STEP_SEPARATOR], "We need 6 times 7." + STEP_SEPARATOR: [SampleFailed("gone")]}
    )
    outcome = solve(search(), build_session(engine, score_text=lambda text: 0.6)).outcome
    assert outcome.answer is None and outcome.completion.finish == "length"


@each_search
def test_path_never_exceeds_max_tokens(search):
    """The last token allowed is the separator of a step."""
    engine = tree({"": ["a b" + STEP_SEPARATOR], "a b" + STEP_SEPARATOR: ["never"]})
    session = build_session(engine, score_text=lambda text: 0.5, sampling=Sampling(max_tokens=3))
    completion = solve(search(), session).outcome.completion
    assert (completion.text, completion.finish, completion.completion_tokens) == ("a b" + STEP_SEPARATOR, "length", 3)


@each_search
def test_search_raises_where_every_first_step_is_lost(search):
    with pytest.raises(SampleFailed):
        solve(search(), build_session(ScriptedEngine([SampleFailed("gone")])))


@each_search
def test_paths_with_equal_text_are_judged_once(search):
    asked = []
    engine = tree({"": ["same" + STEP_SEPARATOR], "same" + STEP_SEPARATOR: ["end"]})
    solve(search(), build_session(engine, score_text=lambda text: asked.append(text) or 0.5))
    assert asked == ["same" + STEP_SEPARATOR, f"same{STEP_SEPARATOR}end"]


@each_search
def test_step_search_declares_cost_and_needs(search):
    strategy = search(max_steps=5)
    assert strategy.stepwise and strategy.needs == {"continue"} and strategy.candidates == 2
    assert strategy.cost(100) == 2 * (2 * 100 + 5)
    assert strategy.min_candidates == getattr(strategy, "width", 1)


@each_search
@pytest.mark.parametrize("seed", range(20))
def test_random_trees_rank_every_answer_within_the_cost(search, seed):
    """Steps of any length, with random ends and losses."""
    rng = random.Random(seed)

    def reply(prompt, sampling):
        if rng.random() < 0.1 and prompt.prefix:
            return SampleFailed("gone")
        return " ".join("abc"[: rng.randint(0, 3)]) + rng.choice([STEP_SEPARATOR, STEP_SEPARATOR, " \\boxed{1}", ""])

    engine = ScriptedEngine(reply)
    session = build_session(engine, score_text=lambda text: rng.random(), sampling=Sampling(max_tokens=20, seed=seed))
    strategy = search(max_steps=6)
    outcome = solve(strategy, session).outcome
    ranked = [outcome, *outcome.alternatives]
    assert 1 <= len(ranked) <= strategy.candidates
    assert all(o.completion.completion_tokens <= 20 for o in ranked)
    assert usage(session.trace).completion == engine.decoded <= strategy.cost(20)
