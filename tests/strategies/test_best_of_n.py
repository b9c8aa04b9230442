import math

import pytest

from cogitate.strategies.best_of_n import BestOfN
from cogitate.strategies.core.events import Scored
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import usage
from cogitate.strategies.core.types import Sampling
from tests.fakes.run import build_session, events, solve


def test_candidate_with_the_highest_score_wins():
    session = build_session(ScriptedEngine(["a", "bbb", "cc"]), score_text=lambda text: len(text) / 10)
    outcome = solve(BestOfN(n=3, verifier="scripted"), session).outcome
    assert (outcome.completion.text, outcome.score) == ("bbb", 0.3)


def test_earliest_sample_wins_a_tie():
    session = build_session(ScriptedEngine(["a", "b", "c"]), score_text=lambda text: 0.5)
    assert solve(BestOfN(n=3, verifier="scripted"), session).outcome.completion.text == "a"


def test_weighted_sums_the_scores_of_equal_answers():
    scores = {"\\boxed{1} sure": 0.9, "\\boxed{2} a": 0.5, "\\boxed{2} b": 0.6}
    engine = ScriptedEngine(list(scores))
    plain = solve(BestOfN(n=3, verifier="scripted"), build_session(engine, score_text=scores.__getitem__)).outcome
    weighted = solve(
        BestOfN(n=3, verifier="scripted", weighted=True),
        build_session(ScriptedEngine(list(scores)), score_text=scores.get),
    ).outcome
    assert plain.answer.raw == "1"
    assert weighted.answer.raw == "2" and weighted.completion.text == "\\boxed{2} b"
    assert weighted.agreement == pytest.approx(2 / 3)


def test_weighted_without_answers_takes_the_highest_score():
    session = build_session(ScriptedEngine(["aa", "b"]), score_text=lambda text: len(text) / 10)
    assert solve(BestOfN(n=2, verifier="scripted", weighted=True), session).outcome.completion.text == "aa"


@pytest.mark.parametrize(("how", "winner"), [("last", "x"), ("min", "y"), ("prod", "y"), ("mean", "z")])
def test_option_aggregation_selects_how_step_scores_combine(how, winner):
    steps = {"x": [0.1, 0.8], "y": [0.6, 0.6], "z": [1.0, 0.3, 0.7]}
    session = build_session(ScriptedEngine(list(steps)), score_text=steps.__getitem__)
    assert solve(BestOfN(n=3, verifier="scripted", aggregation=how), session).outcome.completion.text == winner


def test_lost_verdict_counts_as_the_mean_of_the_rest():
    opinions = {"wrong \\boxed{1}": 0.05, "right \\boxed{2}": (), "good \\boxed{3}": 0.9}
    session = build_session(ScriptedEngine(list(opinions)), score_text=opinions.__getitem__)
    outcome = solve(BestOfN(n=3, verifier="scripted"), session).outcome
    assert [(o.answer.raw, o.score) for o in (outcome, *outcome.alternatives)] == [
        ("3", 0.9),
        ("2", pytest.approx(0.475)),
        ("1", 0.05),
    ]


def test_ranking_without_verdicts_prefers_answers_then_complete_texts():
    texts = ["", "word " * 200, "I do not know.", "so \\boxed{42}"]
    session = build_session(ScriptedEngine(texts), score_text=lambda text: SampleFailed("the judge is gone"))
    outcome = solve(BestOfN(n=4, verifier="scripted"), session).outcome
    assert [o.completion.text[:4] for o in (outcome, *outcome.alternatives)] == ["so \\", "I do", "word", ""]
    assert outcome.score is None


def test_verdicts_have_their_share_of_the_budget():
    session = build_session(ScriptedEngine(["word " * 150]), tokens=400)
    finished = solve(BestOfN(n=4), session)
    assert session.engine.decoded == 400 and usage(session.trace).verifier == 4 and finished.stopped == "budget"


@pytest.mark.parametrize(("verifier", "budget"), [("programmatic", 20), ("pairwise", 200)])
def test_budget_sets_the_cost_of_verdicts_aside_up_to_half(verifier, budget):
    """`programmatic` decodes no tokens; `pairwise` over 16 answers would need more than half of the budget."""
    session = build_session(
        ScriptedEngine(["so it is \\boxed{4} fine"]), tokens=budget, sampling=Sampling(max_tokens=8)
    )
    outcome = solve(BestOfN(n=16, verifier=verifier), session).outcome
    assert outcome.answer.raw == "4" and usage(session.trace).completion <= budget
    assert len(outcome.alternatives) + 1 >= budget // 2 // 8


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_score_that_is_not_finite_never_wins(bad):
    session = build_session(ScriptedEngine(["bad", "good"]), score_text=lambda text: bad if text == "bad" else 0.1)
    assert solve(BestOfN(n=2, verifier="scripted"), session).outcome.completion.text == "good"


def test_judge_decodes_one_token_per_candidate():
    engine = ScriptedEngine(
        lambda prompt, sampling: "Yes" if sampling.labels else "a b c",
        labels=lambda prompt: {"Yes": math.log(0.6), " yes": math.log(0.2), "No": math.log(0.2)},
    )
    session = build_session(engine)
    outcome = solve(BestOfN(n=3), session).outcome
    asked = [(prompt, sampling) for prompt, sampling in engine.calls if sampling.labels]
    assert outcome.score == pytest.approx(0.8)
    assert len(asked) == 3 and all((s.max_tokens, s.temperature, s.auxiliary) == (1, 0.0, True) for _, s in asked)
    assert usage(session.trace).verifier == 3 and usage(session.trace).completion == engine.decoded


def test_judge_prompt_starts_with_the_question_to_share_its_prefix():
    engine = ScriptedEngine(lambda prompt, sampling: "Yes" if sampling.labels else f"solution {len(engine.calls)}")
    solve(BestOfN(n=2), build_session(engine))
    texts = [prompt.messages[-1].text for prompt, sampling in engine.calls if sampling.labels]
    shared = texts[0].index("solution 1")
    assert texts[0][:shared] == texts[1][:shared] and "What is 6*7?" in texts[0][:shared]


def test_deadline_before_the_verdicts_still_answers():
    engine = ScriptedEngine(["\\boxed{1}", "\\boxed{2}"], pace=lambda call: 0.001 if call < 1 else 9)
    finished = solve(BestOfN(n=2), build_session(engine), seconds=0.1)
    assert finished.stopped == "deadline" and finished.outcome.answer.raw == "1"


def test_confidence_verifier_decodes_no_further_tokens():
    engine = ScriptedEngine(["a b", "c d"], logprob=lambda call: (-2.0, -0.1)[call])
    session = build_session(engine, sampling=Sampling(logprobs=5))
    outcome = solve(BestOfN(n=2, verifier="confidence"), session).outcome
    assert outcome.completion.text == "c d" and len(engine.calls) == 2
    assert all(0 <= event.steps[0] <= 1 for event in events(session, Scored))


def test_candidate_that_was_cut_off_before_its_answer_is_not_chosen_for_its_score():
    scores = {"word " * 200: 0.9, "so \\boxed{42}": 0.6}
    session = build_session(ScriptedEngine(list(scores)), score_text=lambda text: 0.6 if "42" in text else 0.9)
    outcome = solve(BestOfN(n=2, verifier="scripted"), session).outcome
    assert outcome.answer.raw == "42" and outcome.completion.finish == "stop"
    assert outcome.alternatives[0].completion.finish == "length" and outcome.alternatives[0].score == 0.9


def test_candidate_that_was_cut_off_wins_where_no_other_passes():
    session = build_session(
        ScriptedEngine(["word " * 200, "so \\boxed{42}"]), score_text=lambda text: 0.0 if "42" in text else 0.9
    )
    assert solve(BestOfN(n=2, verifier="scripted"), session).outcome.completion.finish == "length"
