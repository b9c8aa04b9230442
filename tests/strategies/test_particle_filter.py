from collections import Counter

import pytest

from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.trace import usage
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.particle_filter import ParticleFilter
from cogitate.strategies.search.steps import STEP
from tests.fakes.run import run_of, solve
from tests.fakes.scripted import ScriptedEngine
from tests.strategies.test_beam_search import tree

SEEDED = Sampling(max_tokens=100, seed=7)


def search(**options):
    return ParticleFilter(verifier="scripted", **options)


def shown(finished):
    return [finished.outcome, *finished.outcome.others]


def test_weights_come_from_the_whole_prefix_and_do_not_accumulate():
    """At odds of 4 to 1 the effective size is 2.9 of 4; counted twice, at 16 to 1, it would be 2.2."""
    children = {"": ["a" + STEP, "a" + STEP, "b" + STEP, "b" + STEP]}
    children |= {letter + STEP: ["x" + STEP] for letter in "ab"}
    children |= {f"{letter}{STEP}x{STEP}": ["end"] for letter in "ab"}
    run = run_of(tree(children), opinion=lambda text: 2 / 3 if text[0] == "a" else 1 / 3, sampling=SEEDED)
    finished = solve(search(n=4, ess_threshold=0.65), run)
    assert Counter(o.completion.text[0] for o in shown(finished)) == {"a": 2, "b": 2}


@pytest.mark.parametrize(("threshold", "kept"), [(0.0, {"a", "b"}), (0.5, {"a", "b"}), (0.9, {"a"})])
def test_particles_are_resampled_only_where_too_few_of_them_count(threshold, kept):
    """Of four, two have nearly all the weight: the effective size is just above 2."""
    firsts = ["a" + STEP, "a" + STEP, "b" + STEP, "b" + STEP]
    engine = tree({"": firsts, "a" + STEP: ["end"], "b" + STEP: ["end"]})
    run = run_of(engine, opinion=lambda text: 0.999 if text[0] == "a" else 0.001, sampling=SEEDED)
    finished = solve(search(n=4, ess_threshold=threshold), run)
    assert {o.completion.text[0] for o in shown(finished)} == kept


def test_a_finished_particle_can_be_resampled_away():
    scores = {"early \\boxed{1}": 0.0001, "go" + STEP: 0.9, f"go{STEP}on \\boxed{{2}}": 0.5}
    engine = tree(
        {"": ["early \\boxed{1}", "go" + STEP, "early \\boxed{1}", "go" + STEP], "go" + STEP: ["on \\boxed{2}"]}
    )
    run = run_of(engine, opinion=scores.__getitem__, sampling=SEEDED)
    finished = solve(search(n=4, ess_threshold=1), run)
    assert [o.answer.raw for o in shown(finished)] == ["2"] * 4


def test_a_finished_particle_is_drawn_again_and_takes_the_place_of_one_that_goes_on():
    engine = tree({"": ["early \\boxed{1}", "go" + STEP], "go" + STEP: ["on \\boxed{2}"]})
    run = run_of(engine, opinion=lambda text: 0.9999 if text[0] == "e" else 0.0001, sampling=SEEDED)
    finished = solve(search(n=2, ess_threshold=1), run)
    assert [o.answer.raw for o in shown(finished)] == ["1", "1"] and len(engine.calls) == 2


def test_a_finished_particle_keeps_competing_without_being_decoded_or_judged_again():
    asked = []
    engine = tree({"": ["early \\boxed{1}", "go" + STEP], "go" + STEP: ["on \\boxed{2}"]})
    run = run_of(engine, opinion=lambda text: asked.append(text) or (0.6 if text[0] == "e" else 0.5))
    finished = solve(search(n=2), run)
    assert [o.answer.raw for o in shown(finished)] == ["1", "2"]
    assert asked == ["early \\boxed{1}", "go" + STEP, f"go{STEP}on \\boxed{{2}}"] and len(engine.calls) == 3


def test_the_answer_is_the_vote_by_score_or_the_best_particle():
    scores = {"x \\boxed{1}": 0.4, "y \\boxed{1}": 0.4, "z \\boxed{2}": 0.7}
    for weighted, answer in ((True, "1"), (False, "2")):
        run = run_of(tree({"": list(scores)}), opinion=scores.__getitem__)
        assert solve(search(n=3, weighted=weighted), run).outcome.answer.raw == answer


def test_the_same_seed_draws_the_same_particles():
    def texts(seed):
        children = {"": [letter + STEP for letter in "abcdefgh"]}
        children |= {first: ["end"] for first in children[""]}
        opinion = lambda text: (ord(text[0]) - ord("a") + 1) / 10  # noqa: E731
        run = run_of(tree(children), opinion=opinion, sampling=Sampling(max_tokens=100, seed=seed))
        return [o.completion.text for o in shown(solve(search(n=8, ess_threshold=1), run))]

    assert texts(1) == texts(1)
    assert len({tuple(texts(seed)) for seed in range(8)}) > 1


def test_a_lost_particle_is_replaced_by_one_of_the_others():
    def reply(prompt, sampling):
        first = SampleFailed("gone") if len(engine.calls) == 1 else "a" + STEP
        return "end \\boxed{3}" if prompt.prefix else first

    engine = ScriptedEngine(reply)
    finished = solve(search(n=3, ess_threshold=0), run_of(engine, opinion=lambda text: 0.5))
    assert [o.answer.raw for o in shown(finished)] == ["3"] * 3 and len(engine.calls) == 6


def test_when_every_next_step_is_lost_the_prefixes_are_the_answer():
    engine = ScriptedEngine(lambda prompt, _: SampleFailed("gone") if prompt.prefix else "so far 1" + STEP)
    finished = solve(search(n=2), run_of(engine, opinion=lambda text: 0.5))
    assert finished.outcome.completion.text == "so far 1" + STEP and len(engine.calls) == 4


def test_the_deadline_returns_the_best_particle():
    engine = tree({"": ["bad" + STEP, "better" + STEP], "better" + STEP: ["x"], "bad" + STEP: ["x"]})
    engine.pace = lambda call: 0.001 if call < 2 else 9
    finished = solve(search(n=2), run_of(engine, opinion=lambda text: 0.1 * len(text)), seconds=0.1)
    assert finished.stopped == "deadline" and finished.outcome.completion.text == "better" + STEP


def test_the_last_step_runs_to_the_end_and_the_bill_is_exact():
    engine = tree({"": ["a" + STEP], "a" + STEP: ["b" + STEP + "c"]})
    run, strategy = run_of(engine, opinion=lambda text: 0.5), search(n=3, max_steps=2)
    finished = solve(strategy, run)
    assert [o.completion.text for o in shown(finished)] == [f"a{STEP}b{STEP}c"] * 3
    assert usage(run.trace).completion == engine.decoded <= strategy.cost(100)
