"""Verdicts need answers: nothing that a candidate does to its own process makes a test pass."""

import asyncio

import pytest

from cogitate.server.sandbox import Limits
from cogitate.server.sandbox.backend import SandboxBackend
from cogitate.server.sandbox.local import LocalPrograms
from tests.server.sandbox.backends import wait_until_none
from tests.server.sandbox.cheating_candidates import CHEATS, TESTS
from tests.server.sandbox.cheating_candidates import HONEST as SOLUTION
from tests.server.sandbox.honest_candidates import HONEST

pytestmark = [pytest.mark.faults, pytest.mark.fault("T12")]

SHORT = Limits(wall=2.0, cpu=1)


@pytest.fixture
def programs(backend: SandboxBackend) -> LocalPrograms:
    return LocalPrograms(backend, SHORT)


def test_there_are_at_least_forty_cheats_and_honest_candidates():
    assert len(CHEATS) >= 40 and len(HONEST) >= 40


@pytest.mark.fault("T12")
@pytest.mark.parametrize("name", CHEATS)
async def test_cheating_candidate_passes_no_test(bar, code_exec: str, programs: LocalPrograms, name: str):
    tested = await programs.test(CHEATS[name], TESTS)
    won = sum(tested.passed)
    bar(f"{code_exec}: tests that a cheat passes: {name}", f"{won} of {len(TESTS)}", "0", not won)


@pytest.mark.fault("T12")
@pytest.mark.parametrize("name", HONEST)
async def test_honest_candidate_passes_all_tests(bar, code_exec: str, programs: LocalPrograms, name: str):
    source, tests = HONEST[name]
    tested = await programs.test(source, tests)
    good = all(tested.passed) and len(tested.passed) == len(tests) and tested.reason == "ok"
    figure = f"{sum(tested.passed)} of {len(tests)}, {tested.reason}"
    bar(f"{code_exec}: tests that an honest solution passes: {name}", figure, "all, ok", good)


async def test_partial_solution_passes_only_the_tests_it_solves(programs: LocalPrograms):
    assert (await programs.test(SOLUTION, TESTS)).passed == (True, True, True)
    partial = await programs.test("def f(x): return 10 if x == 3 else 0", TESTS)
    assert partial.passed == (True, False, False)


@pytest.mark.parametrize(
    "test",
    [
        "pass",
        "assert True",
        "assert callable(f)",
        "f",
        "assert f(3) == 10; raise SystemExit(0)",
        "assert f(3) == 10; import os; os._exit(0)",
        "assert f(3) == 11",
        "assert f(3) == ",
        "assert nothing(3) == 10",
        "assert f(lambda: 3)",
        "assert f(3, 4)",
        "f(3); raise KeyboardInterrupt",
        "while True: f(1)",
    ],
)
async def test_test_without_a_valid_answer_does_not_pass(programs: LocalPrograms, test: str):
    tested = await programs.test(SOLUTION, [test])
    assert tested.passed == (False,)


@pytest.mark.parametrize(
    "catch_all",
    ["try:\n  f(1)\nexcept BaseException: pass", "import contextlib\nwith contextlib.suppress(BaseException): f(1)"],
)
@pytest.mark.parametrize(
    "lost", ["import os; os._exit(0)", "return float('nan')", "return object()", "raise SystemExit", "pass\ndel f"]
)
async def test_invalid_answer_fails_a_test_that_catches_everything(programs: LocalPrograms, catch_all: str, lost: str):
    tested = await programs.test(f"def f(x): {lost}\ndef g(): return 1", [f"{catch_all}\nassert g() == 1", catch_all])
    assert tested.passed == (False, False)


async def test_candidate_cannot_change_the_judges_arguments(programs: LocalPrograms):
    cheat = "def f(x):\n  x.clear()\n  return []"
    tested = await programs.test(cheat, ["x = [2, 1]\nassert f(x) == sorted(x)"])
    assert tested.passed == (False,)


async def test_tests_share_no_variables(programs: LocalPrograms):
    tested = await programs.test("def f(): return 1", ["x = f(); assert x", "assert x == 1", "assert f() == 1"])
    assert tested.passed == (True, False, True)


async def test_verdicts_before_a_crash_count(programs: LocalPrograms):
    tested = await programs.test(
        "def f(x): return x or __import__('sys').exit()", ["assert f(1) == 1", "assert f(0) == 0", "assert f(2)"]
    )
    assert tested.passed == (True, False, False)


async def test_no_tests_give_no_verdicts(programs: LocalPrograms):
    assert (await programs.test("def f(): pass", [])).passed == ()


async def test_concurrent_candidates_are_separate(programs: LocalPrograms):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(programs.test(f"def f(): return {n}", [f"assert f() == {n}"])) for n in range(12)]
    assert all(task.result().passed == (True,) for task in tasks)
    assert await wait_until_none()


async def test_call_that_takes_too_long_fails_its_test_alone(programs):
    source = "def f(x):\n while x == 2:\n  try:\n   pass\n  except Exception:\n   pass\n return x"
    tests = ["assert f(1) == 1", "assert f(2) == 2", "assert f(3) == 3"]
    tested = await programs.test(source, tests, call_seconds=0.2)
    assert tested.passed == (True, False, True) and tested.reason == "ok"
