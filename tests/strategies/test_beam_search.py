import pytest
from pydantic import ValidationError

from cogitate.strategies.beam_search import BeamSearch
from cogitate.strategies.core.events import Sampled
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import usage
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.verifiers.programmatic import STEP_SEPARATOR as SEP
from tests.fakes.run import build_session, events, solve


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


def test_search_extends_the_best_prefix_and_returns_the_best_leaf():
    engine = tree({"": ["a" + SEP, "bb" + SEP], "bb" + SEP: ["x", "yyy"], "a" + SEP: ["never"]})
    session = build_session(engine, score_text=lambda text: len(text) / 100)
    finished = solve(search(n=2, width=2), session)
    assert finished.outcome.completion.text == f"bb{SEP}yyy"
    assert [prompt.prefix for prompt, _ in engine.calls] == ["", "", f"bb{SEP}", f"bb{SEP}"]


def test_leaves_of_a_beam_with_score_zero_go_to_the_rest():
    first = ["a" + SEP, "b" + SEP, "c" + SEP, "d" + SEP]
    scores = {**dict.fromkeys(first, 0.0), "b" + SEP: 0.1}
    engine = tree({"": first, "b" + SEP: ["won"]})
    finished = solve(search(n=4, width=2), build_session(engine, score_text=lambda text: scores.get(text, 1.0)))
    assert [prompt.prefix for prompt, _ in engine.calls[4:]] == ["b" + SEP] * 4
    assert finished.outcome.completion.text == f"b{SEP}won"


def test_answer_with_score_zero_frees_its_leaf():
    engine = tree({"": ["wrong", "a" + SEP], "a" + SEP: ["b" + SEP, "right"]})
    scores = {"wrong": 0.0, "a" + SEP: 0.5, f"a{SEP}b{SEP}": 0.5, f"a{SEP}right": 0.9}
    finished = solve(
        search(n=2, width=1, max_steps=2), build_session(engine, score_text=lambda text: scores.get(text, 0.5))
    )
    assert [prompt.prefix for prompt, _ in engine.calls] == ["", "", "a" + SEP, "a" + SEP]
    assert finished.outcome.completion.text == f"a{SEP}right"


def test_answer_with_score_one_ends_the_search():
    engine = tree({"": ["a" + SEP, "right", "b" + SEP, "c" + SEP]})
    finished = solve(
        search(n=4, width=2), build_session(engine, score_text=lambda text: 1.0 if text == "right" else 0.9)
    )
    assert len(engine.calls) == 4 and finished.outcome.completion.text == "right"


def test_search_with_only_zero_scores_completes_one_beam():
    engine = tree({"": ["a" + SEP], "a" + SEP: ["b" + SEP, "c" + SEP], f"a{SEP}b{SEP}": ["end"]})
    finished = solve(search(n=2, width=2), build_session(engine, score_text=lambda text: float(text == "a" + SEP)))
    assert [prompt.prefix for prompt, _ in engine.calls] == ["", "", *["a" + SEP] * 2, f"a{SEP}b{SEP}"]
    assert finished.outcome.completion.text == f"a{SEP}b{SEP}end" and SEP not in engine.calls[-1][1].stop


@pytest.mark.parametrize("score", [0.0, 0.5])
def test_search_with_an_answer_completes_no_beam_with_score_zero(score):
    scores = {"a" + SEP: 0.9, "early": score}
    engine = tree({"": ["early", "a" + SEP], "a" + SEP: ["b" + SEP]})
    finished = solve(search(n=2, width=1), build_session(engine, score_text=lambda text: scores.get(text, 0.0)))
    assert [prompt.prefix for prompt, _ in engine.calls[2:]] == ["a" + SEP] * (1 if score else 2)
    assert finished.outcome.completion.text == "early"


def test_search_continues_where_all_first_steps_have_score_zero():
    engine = tree({"": ["a" + SEP, "b" + SEP], "a" + SEP: ["end"], "b" + SEP: ["end"]})
    assert solve(
        search(n=2, width=1), build_session(engine, score_text=lambda text: 0.0)
    ).outcome.completion.text.endswith("end")


def test_beam_that_finishes_early_competes_at_the_end():
    scores = {"early": 0.9, f"slow{SEP}": 0.5, f"slow{SEP}late": 0.6}
    engine = tree({"": ["early", "slow" + SEP], "slow" + SEP: ["late"]})
    finished = solve(search(n=2, width=1), build_session(engine, score_text=scores.__getitem__))
    assert finished.outcome.completion.text == "early" and finished.outcome.score == 0.9


def test_first_finished_beam_does_not_win_by_finishing_first():
    scores = {"early": 0.2, f"slow{SEP}": 0.5, f"slow{SEP}late": 0.6}
    engine = tree({"": ["early", "slow" + SEP], "slow" + SEP: ["late"]})
    assert (
        solve(search(n=2, width=1), build_session(engine, score_text=scores.__getitem__)).outcome.completion.text
        != "early"
    )


def test_end_of_turn_finishes_a_beam():
    engine = tree({"": ["done"]})
    solve(search(n=4, width=2), build_session(engine, score_text=len))
    assert len(engine.calls) == 4


def test_score_one_does_not_end_a_search_for_more_answers():
    engine = tree({"": ["right", "a" + SEP], "a" + SEP: ["other"]})
    session = build_session(engine, score_text=lambda text: 1.0 if text == "right" else 0.5, answers=2)
    outcome = solve(search(n=2, width=1), session).outcome
    assert [o.completion.text for o in (outcome, *outcome.alternatives)] == ["right", f"a{SEP}other"]


def test_equal_answers_count_as_several_answers():
    session = build_session(tree({"": ["same"]}), score_text=lambda text: 0.5)
    outcome = solve(search(n=4, width=2), session).outcome
    assert [o.completion.text for o in (outcome, *outcome.alternatives)] == ["same"] * 4


def test_search_with_only_zero_scores_completes_as_many_answers_as_requested():
    engine = tree({"": ["a" + SEP, "b" + SEP], "a" + SEP: ["c" + SEP], f"a{SEP}c{SEP}": ["end"]})
    session = build_session(engine, score_text=lambda text: float(text == "a" + SEP), answers=2)
    outcome = solve(search(n=2, width=2), session).outcome
    assert [o.completion.text for o in (outcome, *outcome.alternatives)] == [f"a{SEP}c{SEP}end"] * 2


def test_verifier_scores_identical_beams_once():
    asked = []
    engine = tree({"": ["same" + SEP], "same" + SEP: ["end"]})
    solve(search(n=4, width=2), build_session(engine, score_text=lambda text: asked.append(text) or 0.5))
    assert asked == [f"same{SEP}", f"same{SEP}end"]


def test_prefixes_continue_by_their_exact_token_ids():
    engine = tree({"": ["a b" + SEP], "a b" + SEP: ["c"]})
    solve(search(n=1, width=1), build_session(engine, score_text=lambda text: 0.5))
    (first, _), (second, _) = engine.calls
    assert engine.prompt_ids(second) == engine.prompt_ids(first) + engine.vocabulary.encode("a b" + SEP)
    assert all(piece.ids is not None for piece in second.segments)


def test_last_step_has_no_stop_string():
    engine = tree({"": ["a" + SEP + "b" + SEP + "c"], "a" + SEP: ["b" + SEP + "c"]})
    finished = solve(search(n=1, width=1, max_steps=2), build_session(engine, score_text=lambda text: 0.5))
    assert finished.outcome.completion.text == f"a{SEP}b{SEP}c"
    assert [sampling.stop for _, sampling in engine.calls] == [(SEP,), ()]


def test_max_tokens_limits_the_sum_of_all_steps():
    engine = tree({"": ["a b c" + SEP], "a b c" + SEP: ["d e f g h"]})
    session = build_session(engine, score_text=lambda text: 0.5, sampling=Sampling(max_tokens=6))
    finished = solve(search(n=1, width=1), session)
    assert finished.outcome.completion.completion_tokens == 6
    assert finished.outcome.completion.text == f"a b c{SEP}d e"


def test_failed_step_loses_only_its_beam():
    def reply(prompt, sampling):
        return SampleFailed("gone") if len(engine.calls) == 1 else "fine \\boxed{1}"

    engine = ScriptedEngine(reply)
    assert solve(search(n=3, width=1), build_session(engine, score_text=lambda text: 0.5)).outcome.answer.raw == "1"


def test_usage_counts_the_prompt_once_and_every_pruned_token():
    engine = tree({"": ["a" + SEP, "bb" + SEP], "bb" + SEP: ["x"], "a" + SEP: ["x"]})
    session = build_session(engine, score_text=lambda text: len(text) / 100)
    solve(search(n=2, width=2), session)
    assert usage(session.trace).completion == engine.decoded
    assert usage(session.trace).prompt == len(engine.prompt_ids(engine.calls[0][0]))


def test_deadline_returns_the_best_prefix():
    engine = tree({"": ["good" + SEP, "bad" + SEP], "good" + SEP: ["x"]})
    engine.pace = lambda call: 0.001 if call < 2 else 9
    finished = solve(search(n=2, width=2), build_session(engine, score_text=lambda text: 0.1 * len(text)), seconds=0.1)
    assert finished.stopped == "deadline" and finished.outcome.completion.text == "good" + SEP


def test_n_must_be_a_multiple_of_width():
    with pytest.raises(ValidationError, match="multiple of width"):
        BeamSearch(n=5, width=2)


def test_programmatic_verifier_guides_the_search_without_a_model():
    engine = tree({"": ["2+2=5" + SEP, "2+2=4" + SEP], "2+2=4" + SEP: ["so \\boxed{4}"], "2+2=5" + SEP: ["\\boxed{5}"]})
    finished = solve(BeamSearch(n=2, width=2, verifier="programmatic"), build_session(engine))
    assert finished.outcome.answer.raw == "4"


def test_search_never_has_more_than_n_leaves():
    engine = tree({"": ["a", "b" + SEP, "c" + SEP, "d"], "b" + SEP: ["x"], "c" + SEP: ["y"]})
    session = build_session(engine, score_text=lambda text: 0.5)
    solve(search(n=4, width=2), session)
    assert sum(e.completion.is_complete for e in events(session, Sampled)) == 4


def leading(lookahead, engine_of=tree):
    """Step a scores higher than b, but its rollout scores lower."""
    scores = {"a" + SEP: 0.6, "b" + SEP: 0.4}
    scores |= {f"a{SEP}bad{SEP}": 0.1, f"b{SEP}good{SEP}": 0.9, f"a{SEP}bad{SEP}1": 0.1, f"b{SEP}good{SEP}2": 0.9}
    children = {"": ["a" + SEP, "b" + SEP], "a" + SEP: ["bad" + SEP], "b" + SEP: ["good" + SEP]}
    children |= {f"a{SEP}bad{SEP}": ["1"], f"b{SEP}good{SEP}": ["2"]}
    engine = engine_of(children)
    session = build_session(engine, score_text=scores.__getitem__, sampling=Sampling(max_tokens=100, temperature=0.8))
    return solve(search(n=2, width=2, lookahead=lookahead), session).outcome, engine


def test_lookahead_scores_a_step_by_its_rollout():
    assert [leading(k)[0].completion.text[0] for k in (0, 1, 2, 4)] == ["a", "b", "b", "b"]


def test_rollout_is_greedy_and_not_part_of_the_answer():
    outcome, engine = leading(1)
    rolled = [prompt.prefix for prompt, sampling in engine.calls if sampling.temperature == 0]
    assert rolled == ["a" + SEP, "b" + SEP, f"b{SEP}good{SEP}"]
    assert outcome.completion.text == f"b{SEP}good{SEP}2"
    assert [prompt.prefix for prompt, s in engine.calls if s.temperature == 0.8][2:4] == ["b" + SEP] * 2


def test_step_without_rollout_is_scored_by_itself():
    def failing(children):
        made = tree(children)
        fail = lambda sampling: sampling.temperature == 0  # noqa: E731
        return ScriptedEngine(lambda p, s: SampleFailed("gone") if fail(s) else made.replies(p, s))

    assert leading(2, failing)[0].completion.text[0] == "a"


def test_cost_includes_the_rollouts():
    assert [search(n=2, width=2, lookahead=k).cost(100) for k in (0, 1, 4)] == [480, 880, 2080]
    assert leading(4)[1].decoded <= search(n=2, width=2, lookahead=4).cost(100)


def test_best_prefix_is_the_answer_where_every_next_step_fails():
    engine = ScriptedEngine(lambda prompt, _: SampleFailed("gone") if prompt.prefix else "so far" + SEP)
    finished = solve(search(n=2, width=2), build_session(engine, score_text=lambda text: 0.5))
    assert finished.outcome.completion.text == "so far" + SEP
