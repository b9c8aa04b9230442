"""A verdict is earned by answers: nothing that a candidate does to its own process makes a test pass."""

import asyncio

import pytest

from cogitate.server.sandbox import Limits
from cogitate.server.sandbox.backend import Cage
from cogitate.server.sandbox.local import LocalPrograms
from tests.server.sandbox.backends import none_left
from tests.server.sandbox.cheating_candidates import CHEATS, TESTS
from tests.server.sandbox.cheating_candidates import HONEST as SOLUTION
from tests.server.sandbox.honest_candidates import HONEST

pytestmark = pytest.mark.faults

SHORT = Limits(wall=2.0, cpu=1)


@pytest.fixture
def programs(cage: Cage) -> LocalPrograms:
    return LocalPrograms(cage, SHORT)


def test_there_are_forty_of_each():
    assert len(CHEATS) >= 40 and len(HONEST) >= 40


@pytest.mark.parametrize("name", CHEATS)
async def test_a_cheat_passes_nothing(bar, how: str, programs: LocalPrograms, name: str):
    tested = await programs.test(CHEATS[name], TESTS)
    won = sum(tested.passed)
    bar("T12", f"{how}: tests that a cheat passes: {name}", f"{won} of {len(TESTS)}", "0", not won)


@pytest.mark.parametrize("name", HONEST)
async def test_an_honest_solution_passes_everything(bar, how: str, programs: LocalPrograms, name: str):
    source, tests = HONEST[name]
    tested = await programs.test(source, tests)
    good = all(tested.passed) and len(tested.passed) == len(tests) and tested.reason == "ok"
    figure = f"{sum(tested.passed)} of {len(tests)}, {tested.reason}"
    bar("T12", f"{how}: tests that an honest solution passes: {name}", figure, "all, ok", good)


async def test_the_solution_passes_and_a_near_miss_does_only_where_it_is_right(programs: LocalPrograms):
    assert (await programs.test(SOLUTION, TESTS)).passed == (True, True, True)
    near = await programs.test("def f(x): return 10 if x == 3 else 0", TESTS)
    assert near.passed == (True, False, False)


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
async def test_a_test_that_shows_nothing_does_not_pass(programs: LocalPrograms, test: str):
    tested = await programs.test(SOLUTION, [test])
    assert tested.passed == (False,)


@pytest.mark.parametrize(
    "swallow",
    ["try:\n  f(1)\nexcept BaseException: pass", "import contextlib\nwith contextlib.suppress(BaseException): f(1)"],
)
@pytest.mark.parametrize(
    "lost", ["import os; os._exit(0)", "return float('nan')", "return object()", "raise SystemExit", "pass\ndel f"]
)
async def test_an_answer_that_cannot_be_relied_on_fails_the_test_that_swallows_it(
    programs: LocalPrograms, swallow: str, lost: str
):
    tested = await programs.test(f"def f(x): {lost}\ndef g(): return 1", [f"{swallow}\nassert g() == 1", swallow])
    assert tested.passed == (False, False)


async def test_arguments_are_copies_so_that_nothing_is_forged_through_them(programs: LocalPrograms):
    cheat = "def f(x):\n  x.clear()\n  return []"
    tested = await programs.test(cheat, ["x = [2, 1]\nassert f(x) == sorted(x)"])
    assert tested.passed == (False,)


async def test_each_test_stands_alone(programs: LocalPrograms):
    tested = await programs.test("def f(): return 1", ["x = f(); assert x", "assert x == 1", "assert f() == 1"])
    assert tested.passed == (True, False, True)


async def test_verdicts_from_before_a_crash_are_kept(programs: LocalPrograms):
    tested = await programs.test(
        "def f(x): return x or __import__('sys').exit()", ["assert f(1) == 1", "assert f(0) == 0", "assert f(2)"]
    )
    assert tested.passed == (True, False, False)


async def test_no_tests_are_no_verdicts(programs: LocalPrograms):
    assert (await programs.test("def f(): pass", [])).passed == ()


async def test_one_candidate_never_sees_another(programs: LocalPrograms):
    async with asyncio.TaskGroup() as group:
        told = [group.create_task(programs.test(f"def f(): return {n}", [f"assert f() == {n}"])) for n in range(12)]
    assert all(task.result().passed == (True,) for task in told)
    assert await none_left()
