import asyncio
from dataclasses import replace

import pytest

from cogitate.strategies.core.budget import Budget
from cogitate.strategies.core.events import Cast, Executed
from cogitate.strategies.core.execute import execute
from cogitate.strategies.core.programs import NoPrograms, ProgramsOff
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import usage
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.program_aided import ProgramAided
from tests.fakes.programs import InProcessPrograms
from tests.fakes.run import QUESTION, build_session, events, solve


def program(expression, before=""):
    return f"Let us see.\n```python\n{before}\ndef solution():\n    return {expression}\n```\nDone."


def run_here(replies, **options):
    session = build_session(ScriptedEngine(replies), **options)
    session.programs = InProcessPrograms()
    return session


def every(n, **options):
    return ProgramAided(n=n, stop_rule="none", **options)


def test_printed_values_vote_and_the_winner_states_its_value():
    session = run_here([program("6 * 7"), program("41"), program("84 / 2")])
    finished = solve(every(3), session)
    outcome = finished.outcome
    assert (outcome.answer.raw, outcome.agreement) == ("42", 2 / 3) or outcome.answer.raw == "42.0"
    assert "def solution()" in outcome.completion.text
    assert outcome.completion.text.endswith(f"The answer is {outcome.answer.raw}.")
    assert [event.reason for event in events(session, Executed)] == ["ok"] * 3
    assert usage(session.trace).completion == session.engine.decoded


def test_mathematically_equal_values_are_one_answer():
    session = run_here(
        [program("3"), program("3"), program("0.5"), program("0.5"), "so \\boxed{\\frac{1}{2}}"],
        equals=[("0.5", "\\frac{1}{2}")],
    )
    outcome = solve(ProgramAided(n=4, chains=1, stop_rule="none"), session).outcome
    assert outcome.agreement == 3 / 5 and outcome.answer.is_in_class_of("0.5")


def test_program_inside_unclosed_thinking_does_not_run():
    session = run_here([f"<think> try {program('1')} no, that is wrong"])
    assert solve(every(1), session).outcome.answer is None and not events(session, Executed)


@pytest.mark.parametrize(
    "failing",
    [
        program("1 / 0"),
        program("None"),
        program("float('nan')"),
        program("'x' * 600"),
        "\\boxed{42} it is",
        "```python\n",
    ],
    ids=["error", "nothing", "nan", "too long", "no program", "cut off"],
)
def test_candidate_without_a_value_abstains(failing):
    session = run_here([failing, failing, program("7")])
    outcome = solve(every(3), session).outcome
    assert outcome.answer.raw == "7" and outcome.agreement == pytest.approx(1 / 3)
    assert [event.answer is None for event in events(session, Cast)] == [True, True, False]


def test_best_candidate_is_returned_unchanged_where_all_abstain():
    outcome = solve(every(2), run_here([program("1 / 0"), "no idea"])).outcome
    assert outcome.answer is None and "The answer is" not in outcome.completion.text


def test_printed_line_is_the_value_of_a_program_without_solution():
    assert solve(every(1), run_here(["```python\nprint('so')\nprint(6 * 7)\n```"])).outcome.answer.raw == "42"


def test_value_may_be_text_unless_a_number_is_requested():
    replies = [program("'Paris'"), program("'paris'"), program("3")]
    assert solve(every(3), run_here(replies)).outcome.answer.key == "paris"
    number = solve(every(3, answer_format="number"), run_here(replies, answer_format="number")).outcome
    assert number.answer.raw == "3"


def test_no_sample_starts_after_the_vote_is_decided():
    for under_load, begun in ((False, 8), (True, 4)):
        session = replace(run_here([program("42")]), budget=Budget(under_load=lambda under_load=under_load: under_load))
        assert solve(ProgramAided(n=64), session).outcome.answer.raw == "42"
        assert len(session.programs.ran) == 4 and len(session.engine.calls) == begun


def test_chains_of_thought_join_an_open_vote():
    def reply(prompt, sampling):
        return "\\boxed{42}" if "boxed" in prompt.messages[-1].text else program(next(values))

    values = iter(["42.0", "41"])
    session = run_here(reply)
    outcome = solve(ProgramAided(n=2, chains=2), session).outcome
    assert outcome.answer.key == "42" and outcome.agreement == 3 / 4 and len(session.programs.ran) == 2


def test_chains_of_thought_do_not_join_a_decided_vote():
    session = run_here(lambda prompt, sampling: program("42"))
    solve(ProgramAided(n=8, chains=4), session)
    assert all("boxed" not in prompt.messages[-1].text for prompt, _ in session.engine.calls)


def test_prompt_asks_for_a_program_unless_the_client_sets_an_instruction():
    session = run_here([program("1")])
    solve(every(1), session)
    solve(every(1, instruction=" Go."), session)
    first, second = (prompt.messages[-1].text for prompt, _ in session.engine.calls)
    assert "solution()" in first and second == "What is 6*7? Go."


def test_no_text_is_appended_where_the_client_constrains_it():
    session = run_here([program("42")], sampling=Sampling(max_tokens=100, constrained=True))
    assert solve(every(1), session).outcome.completion.text.endswith("Done.")


def test_deadline_ends_a_run_and_returns_earlier_values():
    session = run_here([program("42"), program("43")])
    session.programs.pace = 0.05
    finished = solve(every(2, concurrency=1), session, seconds=0.08)
    assert finished.stopped == "deadline" and finished.outcome.answer.raw == "42"


def test_programs_are_refused_without_a_sandbox():
    session = build_session(ScriptedEngine([program("42")]))
    assert isinstance(session.programs, NoPrograms)
    with pytest.raises(ProgramsOff):
        asyncio.run(execute(every(1), QUESTION, session))
    with pytest.raises(ProgramsOff):
        asyncio.run(NoPrograms().test("", []))
