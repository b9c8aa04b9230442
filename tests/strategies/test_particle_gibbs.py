"""Particle filtering in several iterations: one particle of each is kept in the next (arXiv:2502.01618)."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cogitate.strategies.core.trace import Sampled, usage
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.particle_filter import ParticleFilter
from cogitate.strategies.search.resampling import multinomial
from cogitate.strategies.search.steps import STEP, Path
from cogitate.strategies.search.trajectories import longer
from tests.fakes.run import QUESTION, events, run_of, solve
from tests.fakes.scripted import ScriptedEngine
from tests.strategies.test_beam_search import tree
from tests.strategies.test_particle_filter import SEEDED, search, shown


def two_steps(*firsts):
    """Each first step goes on to its own end."""
    return tree({"": [letter + STEP for letter in firsts]} | {letter + STEP: ["end"] for letter in firsts})


def test_each_iteration_decodes_all_but_the_one_that_is_kept():
    engine = two_steps("a")
    run = run_of(engine, opinion=lambda text: 0.5, sampling=SEEDED)
    finished = solve(search(n=4, iterations=3), run)
    assert len(engine.calls) == 2 * (4 + 3 + 3) and len(shown(finished)) == 12


def test_one_iteration_is_the_particle_filter():
    def told(**options):
        run = run_of(two_steps(*"abcdefgh"), opinion=lambda text: (ord(text[0]) - 96) / 10, sampling=SEEDED)
        return [o.completion.text for o in shown(solve(search(n=8, ess_threshold=1, **options), run))]

    assert told() == told(iterations=1) and len(told(iterations=2)) == 16


def test_the_kept_one_is_drawn_by_its_odds_and_never_displaced():
    """The first iteration finds one good particle; all later ones are bad, and it is still there, and followed."""
    firsts = iter(["good" + STEP] + ["bad" + STEP] * 99)
    engine = ScriptedEngine(lambda prompt, sampling: "end" if prompt.prefix else next(firsts))
    run = run_of(engine, opinion=lambda text: 0.999 if text.startswith("good") else 0.001, sampling=SEEDED)
    texts = Counter(o.completion.text for o in shown(solve(search(n=3, iterations=4, ess_threshold=0), run)))
    assert texts[f"good{STEP}end"] >= 4 and texts[f"bad{STEP}end"] >= 6


def test_the_others_may_follow_the_kept_one_from_a_step_on_with_ends_of_their_own():
    firsts = iter(["good" + STEP] * 2 + ["bad" + STEP] * 99)
    ends = iter(f"end {at}" for at in range(99))
    engine = ScriptedEngine(lambda prompt, sampling: next(ends) if prompt.prefix else next(firsts))
    run = run_of(engine, opinion=lambda text: 0.9999 if text.startswith("good") else 0.0001, sampling=SEEDED)
    texts = {o.completion.text for o in shown(solve(search(n=2, iterations=2, ess_threshold=1), run))}
    assert len(texts) == 3 and all(text.startswith("good" + STEP) for text in texts)


def test_a_step_of_the_kept_one_is_never_decoded_or_judged_again():
    asked = []
    run = run_of(two_steps("a"), opinion=lambda text: asked.append(text) or 0.5, sampling=SEEDED)
    solve(search(n=2, iterations=3), run)
    assert len(events(run, Sampled)) == 2 * (2 + 1 + 1) and len(asked) <= len(events(run, Sampled))


def test_a_kept_one_that_ended_early_stays_whole_while_others_go_on():
    firsts = iter(["short \\boxed{1}"] * 2 + ["long" + STEP] * 9)
    engine = ScriptedEngine(lambda prompt, sampling: "more \\boxed{2}" if prompt.prefix else next(firsts))
    run = run_of(engine, opinion=lambda text: 0.5, sampling=SEEDED)
    answers = Counter(o.answer.raw for o in shown(solve(search(n=2, iterations=2), run)))
    assert answers == {"1": 3, "2": 1}


def test_all_iterations_vote():
    """The first finds 1 twice; what the later ones find weighs more."""
    letters = iter("112222")
    engine = ScriptedEngine(lambda prompt, sampling: f"so \\boxed{{{next(letters)}}}")
    run = run_of(engine, opinion=lambda text: 0.5 if "{2}" in text else 0.1, sampling=SEEDED)
    finished = solve(search(n=2, iterations=3), run)
    assert len(shown(finished)) == 6 and finished.outcome.answer.raw == "2"


def test_the_same_seed_finds_the_same():
    def texts(seed):
        engine = two_steps(*"abcdefgh")
        sampling = Sampling(max_tokens=100, seed=seed)
        run = run_of(engine, opinion=lambda text: (ord(text[0]) - 96) / 10, sampling=sampling)
        return [o.completion.text for o in shown(solve(search(n=4, iterations=3, ess_threshold=1), run))]

    assert texts(1) == texts(1) and len({tuple(texts(seed)) for seed in range(6)}) > 1


def test_the_deadline_answers_with_the_best_of_all_iterations():
    firsts = iter(["good"] * 2 + ["bad"] * 9)
    engine = ScriptedEngine(lambda prompt, sampling: next(firsts), pace=lambda call: 0.001 if call < 3 else 9)
    run = run_of(engine, opinion=lambda text: 0.9 if text == "good" else 0.2, sampling=SEEDED)
    finished = solve(search(n=2, iterations=4), run, seconds=0.5)
    assert finished.stopped == "deadline" and finished.outcome.completion.text == "good"


def test_the_cost_is_a_bound():
    engine = two_steps("a")
    run, strategy = run_of(engine, opinion=lambda text: 0.5), search(n=3, iterations=4)
    solve(strategy, run)
    assert usage(run.trace).completion == engine.decoded <= strategy.cost(100) == 4 * search(n=3).cost(100)


def test_one_particle_cannot_be_kept_and_grown():
    with pytest.raises(ValidationError, match="n to be 2 or more"):
        ParticleFilter(n=1, iterations=2)
    assert ParticleFilter(n=1).iterations == 1


@given(st.lists(st.booleans(), max_size=8), st.data())
def test_lines_grow_by_their_own_steps(done, data):
    lines = [(Path(QUESTION), Path(QUESTION, done=ended, score=at)) for at, ended in enumerate(done)]
    steps = [
        data.draw(st.sampled_from([None, Path(QUESTION, score=100 + at)])) for at, ended in enumerate(done) if not ended
    ]
    grown = longer(lines, steps)
    assert len(grown) == len(lines) - steps.count(None)
    for line in grown:
        assert line[1].done or line[2].score - 100 == line[1].score


def test_draws_follow_the_weights_each_by_itself():
    drawn = Counter(multinomial([0.0, 0.25, 0.75], 4000, random.Random(1)))
    assert drawn[0] == 0 and drawn[2] == pytest.approx(3000, abs=120)
