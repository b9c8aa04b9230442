"""Particle filtering, and particle Gibbs: with several iterations one particle of each is retained in the next."""

from collections import Counter

import pytest
from pydantic import ValidationError

from cogitate.strategies.core.events import Sampled
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import usage
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.particle_filter import ParticleFilter
from cogitate.strategies.verifiers.programmatic import STEP_SEPARATOR as SEP
from tests.fakes.run import build_session, events, solve
from tests.strategies.test_beam_search import tree

SEEDED = Sampling(max_tokens=100, seed=7)


def search(**options):
    return ParticleFilter(verifier="scripted", **options)


def rank_all(finished):
    return [finished.outcome, *finished.outcome.alternatives]


def test_weights_are_computed_from_the_prefix_without_accumulation():
    """At odds of 4 to 1 the effective sample size is 2.9 of 4; accumulated, at 16 to 1, it would be 2.2."""
    children = {"": ["a" + SEP, "a" + SEP, "b" + SEP, "b" + SEP]}
    children |= {letter + SEP: ["x" + SEP] for letter in "ab"}
    children |= {f"{letter}{SEP}x{SEP}": ["end"] for letter in "ab"}
    session = build_session(tree(children), score_text=lambda text: 2 / 3 if text[0] == "a" else 1 / 3, sampling=SEEDED)
    finished = solve(search(n=4, ess_threshold=0.65), session)
    assert Counter(o.completion.text[0] for o in rank_all(finished)) == {"a": 2, "b": 2}


@pytest.mark.parametrize(("threshold", "surviving"), [(0.0, {"a", "b"}), (0.5, {"a", "b"}), (0.9, {"a"})])
def test_resampling_waits_for_a_low_effective_sample_size(threshold, surviving):
    """Two of four particles have nearly all the weight: the effective sample size is just above 2."""
    firsts = ["a" + SEP, "a" + SEP, "b" + SEP, "b" + SEP]
    engine = tree({"": firsts, "a" + SEP: ["end"], "b" + SEP: ["end"]})
    session = build_session(engine, score_text=lambda text: 0.999 if text[0] == "a" else 0.001, sampling=SEEDED)
    finished = solve(search(n=4, ess_threshold=threshold), session)
    assert {o.completion.text[0] for o in rank_all(finished)} == surviving


def test_resampling_may_drop_a_finished_particle():
    scores = {"early \\boxed{1}": 0.0001, "go" + SEP: 0.9, f"go{SEP}on \\boxed{{2}}": 0.5}
    engine = tree({"": ["early \\boxed{1}", "go" + SEP, "early \\boxed{1}", "go" + SEP], "go" + SEP: ["on \\boxed{2}"]})
    session = build_session(engine, score_text=scores.__getitem__, sampling=SEEDED)
    finished = solve(search(n=4, ess_threshold=1), session)
    assert [o.answer.raw for o in rank_all(finished)] == ["2"] * 4


def test_finished_particle_may_replace_an_unfinished_one():
    engine = tree({"": ["early \\boxed{1}", "go" + SEP], "go" + SEP: ["on \\boxed{2}"]})
    session = build_session(engine, score_text=lambda text: 0.9999 if text[0] == "e" else 0.0001, sampling=SEEDED)
    finished = solve(search(n=2, ess_threshold=1), session)
    assert [o.answer.raw for o in rank_all(finished)] == ["1", "1"] and len(engine.calls) == 2


def test_finished_particle_competes_without_further_decodes_or_verdicts():
    asked = []
    engine = tree({"": ["early \\boxed{1}", "go" + SEP], "go" + SEP: ["on \\boxed{2}"]})
    session = build_session(engine, score_text=lambda text: asked.append(text) or (0.6 if text[0] == "e" else 0.5))
    finished = solve(search(n=2), session)
    assert [o.answer.raw for o in rank_all(finished)] == ["1", "2"]
    assert asked == ["early \\boxed{1}", "go" + SEP, f"go{SEP}on \\boxed{{2}}"] and len(engine.calls) == 3


def test_answer_is_the_weighted_vote_or_the_best_particle():
    scores = {"x \\boxed{1}": 0.4, "y \\boxed{1}": 0.4, "z \\boxed{2}": 0.7}
    for weighted, answer in ((True, "1"), (False, "2")):
        session = build_session(tree({"": list(scores)}), score_text=scores.__getitem__)
        assert solve(search(n=3, weighted=weighted), session).outcome.answer.raw == answer


def test_same_seed_draws_the_same_particles():
    def texts(seed):
        children = {"": [letter + SEP for letter in "abcdefgh"]}
        children |= {first: ["end"] for first in children[""]}
        opinion = lambda text: (ord(text[0]) - ord("a") + 1) / 10  # noqa: E731
        session = build_session(tree(children), score_text=opinion, sampling=Sampling(max_tokens=100, seed=seed))
        return [o.completion.text for o in rank_all(solve(search(n=8, ess_threshold=1), session))]

    assert texts(1) == texts(1)
    assert len({tuple(texts(seed)) for seed in range(8)}) > 1


def test_lost_particle_is_replaced_by_resampling():
    def reply(prompt, sampling):
        first = SampleFailed("gone") if len(engine.calls) == 1 else "a" + SEP
        return "end \\boxed{3}" if prompt.prefix else first

    engine = ScriptedEngine(reply)
    finished = solve(search(n=3, ess_threshold=0), build_session(engine, score_text=lambda text: 0.5))
    assert [o.answer.raw for o in rank_all(finished)] == ["3"] * 3 and len(engine.calls) == 6


def test_prefixes_are_the_answer_where_every_next_step_fails():
    engine = ScriptedEngine(lambda prompt, _: SampleFailed("gone") if prompt.prefix else "so far 1" + SEP)
    finished = solve(search(n=2), build_session(engine, score_text=lambda text: 0.5))
    assert finished.outcome.completion.text == "so far 1" + SEP and len(engine.calls) == 4


def test_deadline_returns_the_best_particle():
    engine = tree({"": ["bad" + SEP, "better" + SEP], "better" + SEP: ["x"], "bad" + SEP: ["x"]})
    engine.pace = lambda call: 0.001 if call < 2 else 9
    finished = solve(search(n=2), build_session(engine, score_text=lambda text: 0.1 * len(text)), seconds=0.1)
    assert finished.stopped == "deadline" and finished.outcome.completion.text == "better" + SEP


def test_last_step_has_no_stop_string_and_usage_is_exact():
    engine = tree({"": ["a" + SEP], "a" + SEP: ["b" + SEP + "c"]})
    session, strategy = build_session(engine, score_text=lambda text: 0.5), search(n=3, max_steps=2)
    finished = solve(strategy, session)
    assert [o.completion.text for o in rank_all(finished)] == [f"a{SEP}b{SEP}c"] * 3
    assert usage(session.trace).completion == engine.decoded <= strategy.cost(100)


def two_steps(*firsts):
    """An engine whose first steps each have one second step, the last."""
    return tree({"": [letter + SEP for letter in firsts]} | {letter + SEP: ["end"] for letter in firsts})


def test_gibbs_iterations_decode_every_particle_but_the_retained_one():
    engine = two_steps("a")
    session = build_session(engine, score_text=lambda text: 0.5, sampling=SEEDED)
    finished = solve(search(n=4, iterations=3), session)
    assert len(engine.calls) == 2 * (4 + 3 + 3) and len(rank_all(finished)) == 12


def test_one_gibbs_iteration_equals_the_particle_filter():
    def texts(**options):
        session = build_session(
            two_steps(*"abcdefgh"), score_text=lambda text: (ord(text[0]) - 96) / 10, sampling=SEEDED
        )
        return [o.completion.text for o in rank_all(solve(search(n=8, ess_threshold=1, **options), session))]

    assert texts() == texts(iterations=1) and len(texts(iterations=2)) == 16


def test_retained_particle_is_drawn_by_its_odds_and_never_displaced():
    """The first iteration has one good particle, all later ones are bad: it is retained, and others branch off it."""
    firsts = iter(["good" + SEP] + ["bad" + SEP] * 99)
    engine = ScriptedEngine(lambda prompt, sampling: "end" if prompt.prefix else next(firsts))
    session = build_session(
        engine, score_text=lambda text: 0.999 if text.startswith("good") else 0.001, sampling=SEEDED
    )
    texts = Counter(o.completion.text for o in rank_all(solve(search(n=3, iterations=4, ess_threshold=0), session)))
    assert texts[f"good{SEP}end"] >= 4 and texts[f"bad{SEP}end"] >= 6


def test_particles_may_branch_off_the_retained_one_at_any_step():
    firsts = iter(["good" + SEP] * 2 + ["bad" + SEP] * 99)
    ends = iter(f"end {at}" for at in range(99))
    engine = ScriptedEngine(lambda prompt, sampling: next(ends) if prompt.prefix else next(firsts))
    session = build_session(
        engine, score_text=lambda text: 0.9999 if text.startswith("good") else 0.0001, sampling=SEEDED
    )
    texts = {o.completion.text for o in rank_all(solve(search(n=2, iterations=2, ess_threshold=1), session))}
    assert len(texts) == 3 and all(text.startswith("good" + SEP) for text in texts)


def test_steps_of_the_retained_particle_are_not_decoded_or_judged_again():
    asked = []
    session = build_session(two_steps("a"), score_text=lambda text: asked.append(text) or 0.5, sampling=SEEDED)
    solve(search(n=2, iterations=3), session)
    assert len(events(session, Sampled)) == 2 * (2 + 1 + 1) and len(asked) <= len(events(session, Sampled))


def test_retained_particle_that_ended_early_stays_complete_while_the_rest_continue():
    firsts = iter(["short \\boxed{1}"] * 2 + ["long" + SEP] * 9)
    engine = ScriptedEngine(lambda prompt, sampling: "more \\boxed{2}" if prompt.prefix else next(firsts))
    session = build_session(engine, score_text=lambda text: 0.5, sampling=SEEDED)
    answers = Counter(o.answer.raw for o in rank_all(solve(search(n=2, iterations=2), session)))
    assert answers == {"1": 3, "2": 1}


def test_particles_of_all_gibbs_iterations_vote():
    """The first iteration has the answer 1 twice; the answers of later iterations weigh more."""
    letters = iter("112222")
    engine = ScriptedEngine(lambda prompt, sampling: f"so \\boxed{{{next(letters)}}}")
    session = build_session(engine, score_text=lambda text: 0.5 if "{2}" in text else 0.1, sampling=SEEDED)
    finished = solve(search(n=2, iterations=3), session)
    assert len(rank_all(finished)) == 6 and finished.outcome.answer.raw == "2"


def test_the_same_seed_repeats_a_gibbs_search():
    def texts(seed):
        engine = two_steps(*"abcdefgh")
        sampling = Sampling(max_tokens=100, seed=seed)
        session = build_session(engine, score_text=lambda text: (ord(text[0]) - 96) / 10, sampling=sampling)
        return [o.completion.text for o in rank_all(solve(search(n=4, iterations=3, ess_threshold=1), session))]

    assert texts(1) == texts(1) and len({tuple(texts(seed)) for seed in range(6)}) > 1


def test_deadline_returns_the_best_particle_of_all_gibbs_iterations():
    firsts = iter(["good"] * 2 + ["bad"] * 9)
    engine = ScriptedEngine(lambda prompt, sampling: next(firsts), pace=lambda call: 0.001 if call < 3 else 9)
    session = build_session(engine, score_text=lambda text: 0.9 if text == "good" else 0.2, sampling=SEEDED)
    finished = solve(search(n=2, iterations=4), session, seconds=0.5)
    assert finished.stopped == "deadline" and finished.outcome.completion.text == "good"


def test_gibbs_cost_is_an_upper_bound():
    engine = two_steps("a")
    session, strategy = build_session(engine, score_text=lambda text: 0.5), search(n=3, iterations=4)
    solve(strategy, session)
    assert usage(session.trace).completion == engine.decoded <= strategy.cost(100) == 4 * search(n=3).cost(100)


def test_gibbs_with_one_particle_is_rejected():
    with pytest.raises(ValidationError, match="n of at least 2"):
        ParticleFilter(n=1, iterations=2)
    assert ParticleFilter(n=1).iterations == 1
