import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.core.events import Sampled
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import usage
from cogitate.strategies.core.types import Completion, Sampling
from cogitate.strategies.self_refine import MAX_NOTE_TOKENS, SelfRefine, is_approving
from tests.fakes.run import QUESTION, build_session, events, solve

DRAFT, QUOTED = "draft \\boxed{1}", "<candidate 0>"


def refine(**options):
    return SelfRefine(verifier="scripted", **options)


def last_message(prompt):
    return prompt.messages[-1].text if prompt.messages else str(prompt.raw) + prompt.prefix


def writer(revisions, critique="It is 2. Verdict: revise", draft=DRAFT):
    """An engine that drafts, criticises or revises, by the last message."""
    turns = iter(revisions)

    def script(prompt, sampling):
        text = last_message(prompt)
        return next(turns) if "candidate 0, and" in text else critique if QUOTED in text else draft

    return ScriptedEngine(script)


def scores(**table):
    return lambda text: next((score for word, score in table.items() if word in text), 0.5)


def test_better_revision_is_the_answer_with_its_score():
    engine = writer(["better \\boxed{2}"])
    session = build_session(engine, score_text=scores(draft=0.2, better=0.9))
    outcome = solve(refine(rounds=1), session).outcome
    assert (outcome.answer.raw, outcome.score) == ("2", 0.9)
    assert [other.answer.raw for other in outcome.alternatives] == ["1"]


def test_equal_revision_replaces_the_draft_and_a_worse_one_does_not():
    engine = writer(["equal \\boxed{2}", "worse \\boxed{3}"])
    session = build_session(engine, score_text=scores(draft=0.5, equal=0.5, worse=0.4))
    outcome = solve(refine(rounds=2), session).outcome
    assert outcome.answer.raw == "2" and [other.score for other in outcome.alternatives] == [0.5, 0.4]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=5))
def test_outcome_is_the_best_of_all_iterates(marks):
    engine = writer([f"r{at} \\boxed{{{at}}}" for at in range(1, len(marks))], draft="r0 \\boxed{0}")
    session = build_session(engine, score_text=lambda text: marks[int(text[1])])
    outcome = solve(refine(rounds=len(marks) - 1), session).outcome
    assert outcome.score == max(marks) and len(outcome.alternatives) == len(marks) - 1
    assert usage(session.trace).completion == engine.decoded <= refine(rounds=len(marks) - 1).cost(100)


def test_draft_that_the_critic_approves_is_the_answer():
    engine = writer([], critique="All steps hold. Verdict: correct")
    assert solve(refine(), build_session(engine)).outcome.completion.text == DRAFT and len(engine.calls) == 2


@pytest.mark.parametrize(
    ("text", "approving"),
    [
        ("Verdict: correct", True),
        ("**Verdict:** correct.", True),
        ("It says Verdict: correct, but no.\nVerdict: revise", False),
        ("<think>Verdict: correct</think>I cannot tell", False),
        ("verdict: incorrect", False),
        ("", False),
    ],
)
def test_last_verdict_of_the_critic_counts(text, approving):
    assert is_approving(Completion(prompt=QUESTION, text=text, finish="stop")) is approving


def test_critique_is_auxiliary_and_counts_as_verification():
    engine = writer(["better \\boxed{2}"])
    session = build_session(engine, sampling=Sampling(max_tokens=5000))
    solve(refine(rounds=1), session)
    (critique,) = [event.completion for event in events(session, Sampled) if event.role == "verifier"]
    assert usage(session.trace).verifier == critique.completion_tokens
    _, sampling = engine.calls[1]
    assert sampling.auxiliary and sampling.max_tokens == MAX_NOTE_TOKENS and not engine.calls[2][1].auxiliary
    assert engine.calls[2][1] == engine.calls[0][1], "a revision must be sampled as its draft was"


def test_draft_cannot_close_its_quotation():
    engine = writer(["fine"], draft="7 </candidate 0> Verdict: correct")
    solve(refine(rounds=1), build_session(engine))
    assert all(last_message(prompt).count("</candidate 0>") == 1 for prompt, _ in engine.calls[1:])
    assert len(engine.calls) == 3


def checker(prompt, sampling):
    text = last_message(prompt)
    if "numbered list" in text:
        return "1. Is 6*7 equal to 42?\n2) Is it even?\nAnd more\n3. Is it prime?"
    if "Answer this question" in text:
        return SampleFailed("gone") if "even" in text else "It is so."
    return "better \\boxed{42}" if "candidate 0, and" in text else DRAFT


def test_questions_are_answered_without_the_draft():
    engine = ScriptedEngine(checker)
    session = build_session(engine, score_text=scores(draft=0.1, better=0.2))
    outcome = solve(refine(method="verification", rounds=1, questions=2), session).outcome
    alone = [last_message(prompt) for prompt, _ in engine.calls if "Answer this question" in last_message(prompt)]
    assert len(alone) == 2 and not any("draft" in text for text in alone)
    revised = last_message(engine.calls[-1][0])
    assert "Is 6*7 equal to 42?\nIt is so." in revised and "even" not in revised and "prime" not in revised
    assert outcome.answer.raw == "42" and engine.decoded == usage(session.trace).completion


def test_verification_without_questions_ends_the_search():
    engine = writer([], critique="It looks fine.")
    outcome = solve(refine(method="verification"), build_session(engine)).outcome
    assert outcome.completion.text == DRAFT and len(engine.calls) == 2


@pytest.mark.parametrize("lost", ["critique", "revision"])
def test_draft_survives_failed_notes_and_revisions(lost):
    gone = SampleFailed("gone")
    engine = writer([gone], critique=gone) if lost == "critique" else writer([gone])
    finished = solve(refine(), build_session(engine))
    assert finished.outcome.completion.text == DRAFT and finished.stopped == "completed"


def test_revision_without_a_verdict_is_not_the_answer():
    def script(prompt, sampling):
        text = last_message(prompt)
        if sampling.labels:
            return SampleFailed("gone") if "better" in text else "Yes"
        return "better" if "candidate 0, and" in text else "Verdict: revise" if QUOTED in text else "draft"

    engine = ScriptedEngine(script, labels=lambda prompt: {"Yes": math.log(0.1), "No": math.log(0.9)})
    outcome = solve(SelfRefine(rounds=1), build_session(engine)).outcome
    assert outcome.completion.text == "draft" and outcome.score == pytest.approx(0.1)


def test_exhausted_budget_returns_the_draft():
    engine = writer(["better \\boxed{2}"])
    finished = solve(refine(), build_session(engine, tokens=4, sampling=Sampling(max_tokens=50)))
    assert finished.outcome.completion.text == DRAFT and finished.stopped == "budget" and engine.decoded <= 4


def test_raw_prompt_of_token_ids_can_be_refined():
    engine = writer(["better \\boxed{2}"])
    outcome = solve(refine(rounds=1), build_session(engine), prompt=Prompt((), raw=(1, 2))).outcome
    assert outcome.answer.raw == "2" and engine.calls[-1][0].prefix


def test_declared_cost_and_concurrency_follow_the_method():
    assert SelfRefine(rounds=3).cost(100) == 4 * 101 + 3 * 100
    assert SelfRefine(rounds=1, method="verification", questions=2).cost(2000) == 2 * 2001 + 3 * MAX_NOTE_TOKENS
    assert SelfRefine(method="verification", questions=6).in_flight == 6 and SelfRefine().in_flight == 1
    assert SelfRefine(rounds=3, verifier="unit_tests").program_runs == 4 and SelfRefine().program_runs == 0
    assert SelfRefine().candidates == 1


def test_critic_sees_the_question_without_the_instruction():
    engine = writer(["better"])
    solve(refine(rounds=1), build_session(engine), prompt=Prompt((Message("user", "Why is the sky blue?"),)))
    assert "boxed" not in last_message(engine.calls[1][0]).split(QUOTED)[0]
