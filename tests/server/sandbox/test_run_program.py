"""One program's run: what it gets, what is said of its end, and that it ends when its caller does."""

import asyncio
import time

import pytest
import uvloop

from cogitate.server.sandbox import Limits
from cogitate.server.sandbox.backend import Cage
from cogitate.server.sandbox.local import LocalPrograms
from tests.server.sandbox.backends import QUICK, none_left, started
from tests.server.sandbox.cheating_candidates import CHEATS, TESTS


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("print(1)", "ok"),
        ("import sys; sys.exit()", "ok"),
        ("import sys; sys.exit(3)", "error"),
        ("1 / 0", "error"),
        ("def", "error"),
        ("import os; os.abort()", "error"),
        ("import os; os._exit(97)", "memory"),
        ("bytes(1 << 30)", "memory"),
        ("while True: pass", "timeout"),
        ("import time; time.sleep(60)", "timeout"),
        ("print('x' * 65536)", "output"),
        ("print('x' * 65535)", "ok"),
        ("import sys; sys.stderr.write('x' * 65537)", "output"),
    ],
)
async def test_how_it_ended(programs: LocalPrograms, source: str, reason: str):
    ran = await programs.run(source)
    assert (ran.reason, ran.ok) == (reason, reason == "ok"), ran
    assert ran.seconds < QUICK.wall + 0.5


async def test_a_program_reads_and_prints(programs: LocalPrograms):
    ran = await programs.run(
        "import sys\nprint(sys.stdin.read().upper())\nsys.stderr.write('done')", stdin="häß\n" * 9999
    )
    assert (ran.stdout, ran.stderr) == ("HÄSS\n" * 9999 + "\n", "done")


async def test_a_program_need_not_read(programs: LocalPrograms):
    assert (await programs.run("print(1)", stdin="x" * 1_000_000)).stdout == "1\n"


async def test_what_it_said_before_its_end_is_kept(programs: LocalPrograms):
    source = "print('before', flush=True)\nwhile True: pass"
    assert (await programs.run(source)).stdout == "before\n"
    assert len((await programs.run("while True: print('x' * 999)")).stdout) == QUICK.output


async def test_a_failure_names_its_line_and_nothing_of_ours(programs: LocalPrograms):
    ran = await programs.run("x = 1\ny = x / 0")
    assert ran.stderr.splitlines()[:3] == [
        "Traceback (most recent call last):",
        '  File "<program>", line 2, in <module>',
        "    y = x / 0",
    ]
    assert "ZeroDivisionError" in ran.stderr and "boot" not in ran.stderr


async def test_the_same_program_says_the_same(programs: LocalPrograms):
    source = "print(list({'a', 'b', 'c', 'd', 'e'}), hash('x'))"
    assert (await programs.run(source)).stdout == (await programs.run(source)).stdout


async def test_it_is_the_main_module(programs: LocalPrograms):
    source = "import dataclasses, sys\n@dataclasses.dataclass\nclass P: x: int\nprint(__name__, P(1), sys.argv)"
    assert (await programs.run(source)).stdout == "__main__ P(x=1) ['']\n"


@pytest.mark.parametrize(
    ("source", "stdin", "why"),
    [
        ("#" + "x" * (64 << 10), "", "65537 bytes"),
        ("ä" * (33 << 10), "", "67584 bytes"),
        ("pass", "x" * ((1 << 20) + 1), "of input"),
        ("print('\ud800')", "", "half a character"),
        ("pass", "\udfff", "half a character"),
    ],
)
async def test_what_is_too_large_or_no_text_is_refused_unseen(
    programs: LocalPrograms, source: str, stdin: str, why: str
):
    ran = await programs.run(source, stdin=stdin)
    assert ran.reason == "refused" and why in ran.stderr
    tested = await programs.test(source, [stdin])
    assert (tested.reason, tested.passed) == ("refused", (False,)) and why in tested.detail


async def test_too_many_tests_are_refused(programs: LocalPrograms):
    tested = await programs.test("def f(): pass", ["f()"] * 1001)
    assert tested.reason == "refused" and tested.passed == (False,) * 1001


async def test_a_nul_is_an_error_of_the_program(programs: LocalPrograms):
    assert (await programs.run("\0")).reason == "error"


async def test_no_more_than_the_limit_run_at_a_time(cage: Cage):
    programs = LocalPrograms(cage, Limits(concurrency=2))
    source = "import time; time.sleep(0.3); print(time.monotonic())"
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        told = [group.create_task(programs.run(source)) for _ in range(6)]
    assert time.perf_counter() - began > 0.9
    assert all(task.result().ok for task in told)


@pytest.mark.parametrize("kind", ["run", "test"])
async def test_cancelling_the_caller_kills_what_runs_at_once(programs: LocalPrograms, kind: str):
    deaf = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: pass"
    call = programs.run(deaf) if kind == "run" else programs.test(deaf, ["f()"])
    task = asyncio.create_task(call)
    await started(1)
    await asyncio.sleep(0.2)
    task.cancel()
    began = time.perf_counter()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.perf_counter() - began < 0.5
    assert await none_left(0.5)


async def test_cancelled_at_any_moment_nothing_is_left(programs: LocalPrograms):
    for moment in range(40):
        task = asyncio.create_task(programs.test("def f(): return 1", ["assert f() == 1"]))
        await asyncio.sleep(moment * 0.004)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.result().passed == (True,)
    assert await none_left()
    assert (await programs.run("print(1)")).ok


async def test_a_cancel_waits_in_the_queue_too(cage: Cage):
    programs = LocalPrograms(cage, Limits(concurrency=1, wall=1.0))
    first = asyncio.create_task(programs.run("import time; time.sleep(9)"))
    await started(1)
    second = asyncio.create_task(programs.run("print(2)"))
    await asyncio.sleep(0.05)
    second.cancel()
    assert (await first).reason == "timeout"
    assert second.cancelled()
    assert (await programs.run("print(3)")).ok


async def test_a_sandbox_killed_from_outside_is_an_error(programs: LocalPrograms):
    task = asyncio.create_task(programs.run("import time; time.sleep(60)"))
    for process in await started(1):
        process.kill()
    assert (await task).reason in ("error", "timeout")
    assert await none_left()


def test_on_the_event_loop_that_uvicorn_brings(cage: Cage):
    async def scene() -> None:
        programs = LocalPrograms(cage, QUICK)
        assert (await programs.run("import os; print(sorted(os.environ)[-1])", stdin="x")).stdout in (
            "PYTHONHASHSEED\n",
        )
        assert (await programs.run("while True: pass")).reason == "timeout"
        assert (await programs.test("def f(x): return x", ["assert f(1) == 1"])).passed == (True,)
        for moment in range(10):
            task = asyncio.create_task(programs.run("print(1)"))
            await asyncio.sleep(moment * 0.01)
            task.cancel()
            await asyncio.wait([task])
        assert await none_left()

    with asyncio.Runner(loop_factory=pytest.importorskip("uvloop").new_event_loop) as runner:
        runner.run(scene())


@pytest.mark.parametrize("cheat", ["exits well", "writes a verdict everywhere", "says more than it is asked"])
def test_one_that_leaves_or_writes_into_its_own_stdin_breaks_nothing_on_uvloop(cage: Cage, cheat: str):
    async def tried_often() -> None:
        programs = LocalPrograms(cage, QUICK)
        for _ in range(3):
            tested = await programs.test(CHEATS[cheat], TESTS)
            assert not any(tested.passed)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(tried_often())
