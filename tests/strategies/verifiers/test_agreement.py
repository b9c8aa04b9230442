"""The verifier `agreement`: the model's own tests and programs score each other."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.best_of_n import BestOfN
from cogitate.strategies.core.events import Scored
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import usage
from cogitate.strategies.verifiers.agreement import MAX_TEST_TOKENS, NO_TESTS, score_agreement
from cogitate.strategies.verifiers.written_tests import (
    MAX_TESTS_PER_REPLY,
    find_functions,
    parse_tests,
    select_tests,
)
from tests.fakes.programs import InProcessPrograms
from tests.fakes.run import build_session, events, solve


def fence(code):
    return f"So:\n```python\n{code}\n```"


RIGHT, ALSO_RIGHT, WRONG = (fence(f"def double(x):\n    return {body}") for body in ("2 * x", "x + x", "x ** 2"))
TESTS = fence("assert double(3) == 6\nassert double(-1) == -2\nassert double(2) == 4")
BAD_TESTS = fence("assert double(3) == 9")


def run_best_of_n(candidates, tests, refuses=(), **options):
    replies = iter([*candidates, *tests])
    engine = ScriptedEngine(lambda prompt, sampling: next(replies))
    session = build_session(engine)
    strategy = BestOfN(n=len(candidates), verifier="agreement", test_samples=len(tests), **options)
    session.verifiers = strategy.build_verifiers(session.verifiers, InProcessPrograms(refuses=refuses))
    return solve(strategy, session), session, strategy, engine


def test_programs_that_agree_on_most_tests_win():
    finished, session, strategy, engine = run_best_of_n([WRONG, RIGHT, ALSO_RIGHT], [TESTS, BAD_TESTS])
    assert finished.outcome.completion.text in (RIGHT, ALSO_RIGHT)
    scored = {event.completion.text: event.score for event in events(session, Scored)}
    assert scored[RIGHT] == scored[ALSO_RIGHT] == pytest.approx(math.sqrt(2 / 3) * 3 / 4)
    assert scored[WRONG] == pytest.approx(math.sqrt(1 / 3) * 2 / 4)
    asked = [sampling for _, sampling in engine.calls if sampling.auxiliary]
    assert len(asked) == 2 and all(sampling.max_tokens <= MAX_TEST_TOKENS for sampling in asked)
    assert usage(session.trace).verifier > 0 and engine.decoded <= strategy.cost(100)


def test_a_candidate_without_a_program_scores_nothing():
    finished, session, *_ = run_best_of_n(["no program", RIGHT], [TESTS])
    assert finished.outcome.completion.text == RIGHT
    assert {event.completion.text: event.score for event in events(session, Scored)}["no program"] == 0


def test_a_program_that_the_sandbox_refused_has_no_score():
    _, session, *_ = run_best_of_n([WRONG, RIGHT], [TESTS], refuses=("def double(x):\n    return x ** 2",))
    scored = {event.completion.text: event.score for event in events(session, Scored)}
    assert scored[WRONG] is None and scored[RIGHT] == 1


@pytest.mark.parametrize(
    "reply", ["I cannot.", fence("assert True"), fence("assert other(1) == 2"), SampleFailed("gone")]
)
def test_without_a_usable_test_all_verdicts_are_lost_with_a_warning(reply):
    finished, session, *_ = run_best_of_n([RIGHT, WRONG], [reply])
    assert finished.outcome.completion.text in (RIGHT, WRONG)
    assert [(event.score, event.warnings) for event in events(session, Scored)] == [(None, (NO_TESTS,))] * 2


def test_tests_are_written_no_wider_than_the_candidates():
    _, session, _, engine = run_best_of_n([RIGHT, WRONG], [TESTS] * 5)
    assert engine.peak_running <= 2 and sum(sampling.auxiliary for _, sampling in engine.calls) == 5


def test_each_written_alike_counts_every_time():
    both, one = (True, True), (True, False)
    assert score_agreement([both, one, one, one, one], [1, 1]) == pytest.approx(
        [math.sqrt(1 / 5), *[math.sqrt(4 / 5) / 2] * 4]
    )
    assert score_agreement([both, one], [1, 3])[1] == pytest.approx(math.sqrt(1 / 2) / 4)


@given(
    st.lists(st.tuples(*[st.booleans()] * 4), min_size=1, max_size=20),
    st.lists(st.integers(1, 9), min_size=4, max_size=4),
)
def test_scores_lie_in_range_and_follow_the_tests_passed(passed, weights):
    scores = score_agreement(passed, weights)
    assert all(0 <= score <= 1 for score in scores)
    assert all((score == 0) == (not any(tests)) for score, tests in zip(scores, passed, strict=True))


@pytest.mark.parametrize(
    ("reply", "tests"),
    [
        ("assert f(1) == 2", ["assert f(1) == 2"]),
        (fence("assert f('#') == '('  # odd\nassert f(2) == 3"), ["assert f('#') == '('", "assert f(2) == 3"]),
        ("assert f([1,\n  2]) == [\n  3]\nassert f(", ["assert f([1,\n  2]) == [\n  3]"]),
        (">>> assert f(1) == 2\n", ["assert f(1) == 2"]),
        ("<think>assert f(0) == 0</think>assert f(1) == 1", ["assert f(1) == 1"]),
        ("assert f(1]) == 2\nWe assert f(3) here", []),
        ("assert f('(') == \"it's\"\n", ["assert f('(') == \"it's\""]),
        ("\n".join(f"assert f({at})" for at in range(9)), [f"assert f({at})" for at in range(MAX_TESTS_PER_REPLY)]),
        ("assert " + "(" * 100_000, []),
    ],
)
def test_assert_statements_are_read_from_a_reply(reply, tests):
    assert parse_tests(reply) == tests


@given(st.text(alphabet="assert f()[]{}'\"#\\\n1=b", max_size=400))
def test_any_reply_is_read(reply):
    assert len(parse_tests(reply)) <= MAX_TESTS_PER_REPLY


def test_functions_are_those_of_half_of_the_programs():
    sources = ["def f(x): pass\ndef g(): pass", "def f(x):\n    def inner(): pass", "async def f(y): pass"]
    assert find_functions(sources) == {"f"}


def test_tests_call_the_programs_functions_and_no_other():
    tests = ["assert f(1) == 1", "assert sorted(f(2)) == [1]", "assert helper(f(1))", "assert True", "assert not f(3)"]
    assert select_tests(tests, frozenset({"f"})) == [tests[0], tests[1], tests[4]]
