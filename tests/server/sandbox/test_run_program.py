"""One program's run: its input and output, the reason it ended, and that it ends with its caller."""

import asyncio
import time

import pytest
import uvloop

from cogitate.server.sandbox import Limits
from cogitate.server.sandbox.backend import SandboxBackend
from cogitate.server.sandbox.local import LocalPrograms
from tests.server.sandbox.backends import SHORT_LIMITS, wait_for_processes, wait_until_none
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
async def test_reason_tells_how_a_program_ended(programs: LocalPrograms, source: str, reason: str):
    ran = await programs.run(source)
    assert (ran.reason, ran.ok) == (reason, reason == "ok"), ran
    assert ran.seconds < SHORT_LIMITS.wall + 0.5


async def test_program_reads_stdin_and_prints(programs: LocalPrograms):
    ran = await programs.run(
        "import sys\nprint(sys.stdin.read().upper())\nsys.stderr.write('done')", stdin="häß\n" * 9999
    )
    assert (ran.stdout, ran.stderr) == ("HÄSS\n" * 9999 + "\n", "done")


async def test_unread_stdin_is_no_error(programs: LocalPrograms):
    assert (await programs.run("print(1)", stdin="x" * 1_000_000)).stdout == "1\n"


async def test_output_before_a_kill_is_returned(programs: LocalPrograms):
    source = "print('before', flush=True)\nwhile True: pass"
    assert (await programs.run(source)).stdout == "before\n"
    assert len((await programs.run("while True: print('x' * 999)")).stdout) == SHORT_LIMITS.output


async def test_traceback_shows_the_program_only(programs: LocalPrograms):
    ran = await programs.run("x = 1\ny = x / 0")
    assert ran.stderr.splitlines()[:3] == [
        "Traceback (most recent call last):",
        '  File "<program>", line 2, in <module>',
        "    y = x / 0",
    ]
    assert "ZeroDivisionError" in ran.stderr and "boot" not in ran.stderr


async def test_output_is_repeatable(programs: LocalPrograms):
    source = "print(list({'a', 'b', 'c', 'd', 'e'}), hash('x'))"
    assert (await programs.run(source)).stdout == (await programs.run(source)).stdout


async def test_program_is_the_main_module(programs: LocalPrograms):
    source = "import dataclasses, sys\n@dataclasses.dataclass\nclass P: x: int\nprint(__name__, P(1), sys.argv)"
    assert (await programs.run(source)).stdout == "__main__ P(x=1) ['']\n"


@pytest.mark.parametrize(
    ("source", "stdin", "why"),
    [
        ("#" + "x" * (64 << 10), "", "65537 bytes"),
        ("ä" * (33 << 10), "", "67584 bytes"),
        ("pass", "x" * ((1 << 20) + 1), "the input or tests have"),
        ("print('\ud800')", "", "lone surrogate"),
        ("pass", "\udfff", "lone surrogate"),
    ],
)
async def test_oversized_or_malformed_input_is_refused(programs: LocalPrograms, source: str, stdin: str, why: str):
    ran = await programs.run(source, stdin=stdin)
    assert ran.reason == "refused" and why in ran.stderr
    tested = await programs.test(source, [stdin])
    assert (tested.reason, tested.passed) == ("refused", (False,)) and why in tested.detail


async def test_too_many_tests_are_refused(programs: LocalPrograms):
    tested = await programs.test("def f(): pass", ["f()"] * 1001)
    assert tested.reason == "refused" and tested.passed == (False,) * 1001


async def test_nul_character_is_an_error_of_the_program(programs: LocalPrograms):
    assert (await programs.run("\0")).reason == "error"


async def test_concurrency_limit_delays_further_runs(backend: SandboxBackend):
    programs = LocalPrograms(backend, Limits(concurrency=2))
    source = "import time; time.sleep(0.3); print(time.monotonic())"
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(programs.run(source)) for _ in range(6)]
    assert time.perf_counter() - began > 0.9
    assert all(task.result().ok for task in tasks)


@pytest.mark.parametrize("kind", ["run", "test"])
async def test_cancelling_the_caller_kills_the_run(programs: LocalPrograms, kind: str):
    unkillable = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: pass"
    call = programs.run(unkillable) if kind == "run" else programs.test(unkillable, ["f()"])
    task = asyncio.create_task(call)
    await wait_for_processes(1)
    await asyncio.sleep(0.2)
    task.cancel()
    began = time.perf_counter()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.perf_counter() - began < 0.5
    assert await wait_until_none(0.5)


async def test_cancelling_at_any_moment_leaves_no_process(programs: LocalPrograms):
    for moment in range(40):
        task = asyncio.create_task(programs.test("def f(): return 1", ["assert f() == 1"]))
        await asyncio.sleep(moment * 0.004)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.result().passed == (True,)
    assert await wait_until_none()
    assert (await programs.run("print(1)")).ok


async def test_cancelling_a_waiting_run_frees_its_slot(backend: SandboxBackend):
    programs = LocalPrograms(backend, Limits(concurrency=1, wall=1.0))
    first = asyncio.create_task(programs.run("import time; time.sleep(9)"))
    await wait_for_processes(1)
    second = asyncio.create_task(programs.run("print(2)"))
    await asyncio.sleep(0.05)
    second.cancel()
    assert (await first).reason == "timeout"
    assert second.cancelled()
    assert (await programs.run("print(3)")).ok


async def test_run_killed_from_outside_is_an_error(programs: LocalPrograms):
    task = asyncio.create_task(programs.run("import time; time.sleep(60)"))
    for process in await wait_for_processes(1):
        process.kill()
    assert (await task).reason in ("error", "timeout")
    assert await wait_until_none()


def test_sandbox_works_on_uvloop(backend: SandboxBackend):
    async def use_sandbox() -> None:
        programs = LocalPrograms(backend, SHORT_LIMITS)
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
        assert await wait_until_none()

    with asyncio.Runner(loop_factory=pytest.importorskip("uvloop").new_event_loop) as runner:
        runner.run(use_sandbox())


@pytest.mark.parametrize("cheat", ["exits well", "writes a verdict everywhere", "says more than it is asked"])
def test_candidate_that_exits_or_writes_to_its_stdin_is_harmless_on_uvloop(backend: SandboxBackend, cheat: str):
    async def run_often() -> None:
        programs = LocalPrograms(backend, SHORT_LIMITS)
        for _ in range(3):
            tested = await programs.test(CHEATS[cheat], TESTS)
            assert not any(tested.passed)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_often())
