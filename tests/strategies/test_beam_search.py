import pytest
from pydantic import ValidationError

from cogitate.strategies.beam_search import BeamSearch
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.trace import Sampled, usage
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.search.steps import STEP
from tests.fakes.run import events, run_of, solve
from tests.fakes.scripted import ScriptedEngine


def tree(children):
    """An engine that writes, after each prefix, that prefix's children in turn."""
    turns: dict[str, int] = {}

    def reply(prompt, sampling):
        prefix = prompt.prefix
        turns[prefix] = turns.get(prefix, -1) + 1
        options = children[prefix]
        return options[turns[prefix] % len(options)]

    return ScriptedEngine(reply)


def search(**options):
    return BeamSearch(verifier="scripted", **options)


def test_the_best_prefix_is_extended_and_the_best_leaf_returned():
    engine = tree({"": ["a" + STEP, "bb" + STEP], "bb" + STEP: ["x", "yyy"], "a" + STEP: ["never"]})
    run = run_of(engine, opinion=lambda text: len(text) / 100)
    finished = solve(search(n=2, width=2), run)
    assert finished.outcome.completion.text == f"bb{STEP}yyy"
    assert [prompt.prefix for prompt, _ in engine.calls] == ["", "", f"bb{STEP}", f"bb{STEP}"]


def test_a_lost_beam_leaves_its_leaves_to_those_that_are_not():
    first = ["a" + STEP, "b" + STEP, "c" + STEP, "d" + STEP]
    scores = {**dict.fromkeys(first, 0.0), "b" + STEP: 0.1}
    engine = tree({"": first, "b" + STEP: ["won"]})
    finished = solve(search(n=4, width=2), run_of(engine, opinion=lambda text: scores.get(text, 1.0)))
    assert [prompt.prefix for prompt, _ in engine.calls[4:]] == ["b" + STEP] * 4
    assert finished.outcome.completion.text == f"b{STEP}won"


def test_an_answer_that_is_lost_gives_its_leaf_back():
    engine = tree({"": ["wrong", "a" + STEP], "a" + STEP: ["b" + STEP, "right"]})
    scores = {"wrong": 0.0, "a" + STEP: 0.5, f"a{STEP}b{STEP}": 0.5, f"a{STEP}right": 0.9}
    finished = solve(search(n=2, width=1, max_steps=2), run_of(engine, opinion=lambda text: scores.get(text, 0.5)))
    assert [prompt.prefix for prompt, _ in engine.calls] == ["", "", "a" + STEP, "a" + STEP]
    assert finished.outcome.completion.text == f"a{STEP}right"


def test_an_answer_that_cannot_be_beaten_ends_the_search():
    engine = tree({"": ["a" + STEP, "right", "b" + STEP, "c" + STEP]})
    finished = solve(search(n=4, width=2), run_of(engine, opinion=lambda text: 1.0 if text == "right" else 0.9))
    assert len(engine.calls) == 4 and finished.outcome.completion.text == "right"


def test_of_a_search_that_is_lost_one_beam_is_written_to_its_end():
    engine = tree({"": ["a" + STEP], "a" + STEP: ["b" + STEP, "c" + STEP], f"a{STEP}b{STEP}": ["end"]})
    finished = solve(search(n=2, width=2), run_of(engine, opinion=lambda text: float(text == "a" + STEP)))
    assert [prompt.prefix for prompt, _ in engine.calls] == ["", "", *["a" + STEP] * 2, f"a{STEP}b{STEP}"]
    assert finished.outcome.completion.text == f"a{STEP}b{STEP}end" and STEP not in engine.calls[-1][1].stop


@pytest.mark.parametrize("score", [0.0, 0.5])
def test_but_none_where_there_is_an_answer(score):
    scores = {"a" + STEP: 0.9, "early": score}
    engine = tree({"": ["early", "a" + STEP], "a" + STEP: ["b" + STEP]})
    finished = solve(search(n=2, width=1), run_of(engine, opinion=lambda text: scores.get(text, 0.0)))
    assert [prompt.prefix for prompt, _ in engine.calls[2:]] == ["a" + STEP] * (1 if score else 2)
    assert finished.outcome.completion.text == "early"


def test_where_all_are_lost_from_the_start_the_search_goes_on():
    engine = tree({"": ["a" + STEP, "b" + STEP], "a" + STEP: ["end"], "b" + STEP: ["end"]})
    assert solve(search(n=2, width=1), run_of(engine, opinion=lambda text: 0.0)).outcome.completion.text.endswith("end")


def test_a_beam_that_finishes_early_competes_at_the_end():
    scores = {"early": 0.9, f"slow{STEP}": 0.5, f"slow{STEP}late": 0.6}
    engine = tree({"": ["early", "slow" + STEP], "slow" + STEP: ["late"]})
    finished = solve(search(n=2, width=1), run_of(engine, opinion=scores.__getitem__))
    assert finished.outcome.completion.text == "early" and finished.outcome.score == 0.9


def test_the_first_to_finish_is_not_simply_returned():
    scores = {"early": 0.2, f"slow{STEP}": 0.5, f"slow{STEP}late": 0.6}
    engine = tree({"": ["early", "slow" + STEP], "slow" + STEP: ["late"]})
    assert solve(search(n=2, width=1), run_of(engine, opinion=scores.__getitem__)).outcome.completion.text != "early"


def test_the_models_own_end_of_turn_ends_a_beam():
    engine = tree({"": ["done"]})
    solve(search(n=4, width=2), run_of(engine, opinion=len))
    assert len(engine.calls) == 4


def test_an_exact_hit_does_not_end_a_search_that_owes_more_answers():
    engine = tree({"": ["right", "a" + STEP], "a" + STEP: ["other"]})
    run = run_of(engine, opinion=lambda text: 1.0 if text == "right" else 0.5)
    run.answers = 2
    outcome = solve(search(n=2, width=1), run).outcome
    assert [o.completion.text for o in (outcome, *outcome.others)] == ["right", f"a{STEP}other"]


def test_answers_that_are_alike_are_so_many_answers():
    run = run_of(tree({"": ["same"]}), opinion=lambda text: 0.5)
    outcome = solve(search(n=4, width=2), run).outcome
    assert [o.completion.text for o in (outcome, *outcome.others)] == ["same"] * 4


def test_a_lost_search_writes_as_many_answers_as_it_owes():
    engine = tree({"": ["a" + STEP, "b" + STEP], "a" + STEP: ["c" + STEP], f"a{STEP}c{STEP}": ["end"]})
    run = run_of(engine, opinion=lambda text: float(text == "a" + STEP))
    run.answers = 2
    outcome = solve(search(n=2, width=2), run).outcome
    assert [o.completion.text for o in (outcome, *outcome.others)] == [f"a{STEP}c{STEP}end"] * 2


def test_identical_beams_are_scored_once():
    asked = []
    engine = tree({"": ["same" + STEP], "same" + STEP: ["end"]})
    solve(search(n=4, width=2), run_of(engine, opinion=lambda text: asked.append(text) or 0.5))
    assert asked == [f"same{STEP}", f"same{STEP}end"]


def test_prefixes_are_continued_by_their_very_tokens():
    engine = tree({"": ["a b" + STEP], "a b" + STEP: ["c"]})
    solve(search(n=1, width=1), run_of(engine, opinion=lambda text: 0.5))
    (first, _), (second, _) = engine.calls
    assert engine.prompt_ids(second) == engine.prompt_ids(first) + engine.vocabulary.encode("a b" + STEP)
    assert all(piece.ids is not None for piece in second.pieces)


def test_the_last_step_runs_to_the_end():
    engine = tree({"": ["a" + STEP + "b" + STEP + "c"], "a" + STEP: ["b" + STEP + "c"]})
    finished = solve(search(n=1, width=1, max_steps=2), run_of(engine, opinion=lambda text: 0.5))
    assert finished.outcome.completion.text == f"a{STEP}b{STEP}c"
    assert [sampling.stop for _, sampling in engine.calls] == [(STEP,), ()]


def test_max_tokens_is_of_the_whole_path():
    engine = tree({"": ["a b c" + STEP], "a b c" + STEP: ["d e f g h"]})
    run = run_of(engine, opinion=lambda text: 0.5, sampling=Sampling(max_tokens=6))
    finished = solve(search(n=1, width=1), run)
    assert finished.outcome.completion.completion_tokens == 6
    assert finished.outcome.completion.text == f"a b c{STEP}d e"


def test_a_lost_step_loses_its_beam_alone():
    def reply(prompt, sampling):
        return SampleFailed("gone") if len(engine.calls) == 1 else "fine \\boxed{1}"

    engine = ScriptedEngine(reply)
    assert solve(search(n=3, width=1), run_of(engine, opinion=lambda text: 0.5)).outcome.answer.raw == "1"


def test_the_bill_counts_the_prompt_once_and_every_pruned_token():
    engine = tree({"": ["a" + STEP, "bb" + STEP], "bb" + STEP: ["x"], "a" + STEP: ["x"]})
    run = run_of(engine, opinion=lambda text: len(text) / 100)
    solve(search(n=2, width=2), run)
    assert usage(run.trace).completion == engine.decoded
    assert usage(run.trace).prompt == len(engine.prompt_ids(engine.calls[0][0]))


def test_the_deadline_returns_the_best_prefix():
    engine = tree({"": ["good" + STEP, "bad" + STEP], "good" + STEP: ["x"]})
    engine.pace = lambda call: 0.001 if call < 2 else 9
    finished = solve(search(n=2, width=2), run_of(engine, opinion=lambda text: 0.1 * len(text)), seconds=0.1)
    assert finished.stopped == "deadline" and finished.outcome.completion.text == "good" + STEP


def test_n_must_be_a_multiple_of_width():
    with pytest.raises(ValidationError, match="multiple of width"):
        BeamSearch(n=5, width=2)


def test_programmatic_arithmetic_guides_it_without_a_model():
    engine = tree(
        {"": ["2+2=5" + STEP, "2+2=4" + STEP], "2+2=4" + STEP: ["so \\boxed{4}"], "2+2=5" + STEP: ["\\boxed{5}"]}
    )
    finished = solve(BeamSearch(n=2, width=2, verifier="programmatic"), run_of(engine))
    assert finished.outcome.answer.raw == "4"


def test_no_more_than_n_leaves():
    engine = tree({"": ["a", "b" + STEP, "c" + STEP, "d"], "b" + STEP: ["x"], "c" + STEP: ["y"]})
    run = run_of(engine, opinion=lambda text: 0.5)
    solve(search(n=4, width=2), run)
    assert sum(e.completion.ended for e in events(run, Sampled)) == 4


def leading(lookahead, engine_of=tree):
    """a looks better and leads nowhere; b looks worse and leads to what is right."""
    scores = {"a" + STEP: 0.6, "b" + STEP: 0.4}
    scores |= {
        f"a{STEP}bad{STEP}": 0.1,
        f"b{STEP}good{STEP}": 0.9,
        f"a{STEP}bad{STEP}1": 0.1,
        f"b{STEP}good{STEP}2": 0.9,
    }
    children = {"": ["a" + STEP, "b" + STEP], "a" + STEP: ["bad" + STEP], "b" + STEP: ["good" + STEP]}
    children |= {f"a{STEP}bad{STEP}": ["1"], f"b{STEP}good{STEP}": ["2"]}
    engine = engine_of(children)
    run = run_of(engine, opinion=scores.__getitem__, sampling=Sampling(max_tokens=100, temperature=0.8))
    return solve(search(n=2, width=2, lookahead=lookahead), run).outcome, engine


def test_a_step_is_judged_by_where_it_leads():
    assert [leading(k)[0].completion.text[0] for k in (0, 1, 2, 4)] == ["a", "b", "b", "b"]


def test_what_was_looked_ahead_is_greedy_and_forgotten():
    outcome, engine = leading(1)
    rolled = [prompt.prefix for prompt, sampling in engine.calls if sampling.temperature == 0]
    assert rolled == ["a" + STEP, "b" + STEP, f"b{STEP}good{STEP}"]
    assert outcome.completion.text == f"b{STEP}good{STEP}2"
    assert [prompt.prefix for prompt, s in engine.calls if s.temperature == 0.8][2:4] == ["b" + STEP] * 2


def test_a_lost_look_ahead_leaves_the_step_to_be_judged_as_it_is():
    def failing(children):
        made = tree(children)
        fail = lambda sampling: sampling.temperature == 0  # noqa: E731
        return ScriptedEngine(lambda p, s: SampleFailed("gone") if fail(s) else made.replies(p, s))

    assert leading(2, failing)[0].completion.text[0] == "a"


def test_looking_ahead_is_paid_for():
    assert [search(n=2, width=2, lookahead=k).cost(100) for k in (0, 1, 4)] == [480, 880, 2080]
    assert leading(4)[1].decoded <= search(n=2, width=2, lookahead=4).cost(100)


def test_when_every_next_step_is_lost_the_best_prefix_is_the_answer():
    engine = ScriptedEngine(lambda prompt, _: SampleFailed("gone") if prompt.prefix else "so far" + STEP)
    finished = solve(search(n=2, width=2), run_of(engine, opinion=lambda text: 0.5))
    assert finished.outcome.completion.text == "so far" + STEP
