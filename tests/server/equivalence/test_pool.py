"""The prover against real children: right answers, hostile ones, and nothing left behind."""

import asyncio
import itertools
import os
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from cogitate.server.equivalence.pool import LENGTH, MathProver

pytestmark = [pytest.mark.slow, pytest.mark.alone]

SECONDS = 2.0

EQUAL = [
    ("1/2", "0.5"),
    (r"\frac{1}{2}", "0.5"),
    ("x+1", "1+x"),
    (r"2\sqrt{2}", r"\sqrt{8}"),
    (r"\{1,2\}", r"\{2,1\}"),
    ("(1,2)", "(1, 2.0)"),
    ("x=5", "5"),
    ("x^2-1", "(x-1)(x+1)"),
    (r"1 \le x", r"x \geq 1"),
    ("0.333333", "1/3"),
    ("1,000", "1000"),
    ("5 cm", "5.0 cm"),
    (r"\text{yes}", r"\text{Yes}"),
    ("x>1", r"(1,\infty)"),
    ("1<x<2", "(1,2)"),
    ("1 and 2", "2, 1"),
]
DIFFERENT = [
    ("(1,2)", "(2,1)"),
    ("(1,2)", r"\{1,2\}"),
    ("[1,2]", "(1,2)"),
    ("x=5", "y=5"),
    ("2x+3=5", "5"),
    ("2^{0.5}", r"\sqrt{2}"),  # equal, but math-verify says so one way round only
    ("0.33", "1/3"),
    ("1/0", "2/0"),
    ("10%", "10"),
    ("10%", "0.1"),
    ("5 cm", "5 m"),
    (r"12\text{ am}", r"12\text{ pm}"),
    ("listen", "silent"),
    ("no", "on"),
    ("3 cats", "3 acts"),
    ("3 1/2", "2"),
    (r"1.6\times10^{-19}", r"9.1\times10^{-31}"),
    (r"1}\boxed{5", "5"),
    ("", "0"),
    ("1" * (LENGTH + 1), "1" * (LENGTH + 1)),
]
HOSTILE = [
    "9**9**9**9",
    "9^{9^{9^{9}}}",
    "(" * LENGTH,
    r"\frac{" * 33,
    "100000000!",
    "((10!)!)!",
    r"\sum_{n=1}^{1000000000} \frac{1}{n^3+n}",
    "(x+y+z+w)^{500}(x-y)^{500}",
    "__import__('os').system('true')",
    '"]\n["1","1"]\n',
    "\x00\ud800",
]
FRESH = itertools.count(1000)


@asynccontextmanager
async def proving(workers: int = 2, seconds: float = SECONDS, remembered: int = 4096) -> AsyncIterator[MathProver]:
    """A prover with its children started, closed at the end."""
    prover = MathProver(workers=workers, seconds=seconds, remembered=remembered)
    try:
        await warm(prover, workers)
        yield prover
    finally:
        await prover.close()


async def warm(prover: MathProver, workers: int) -> None:
    """Have all children started, by questions never asked before."""
    async with asyncio.TaskGroup() as starts:
        for _ in range(workers):
            starts.create_task(started(prover))


async def started(prover: MathProver) -> None:
    while not await prover.equal(f"{(n := next(FRESH))}", f"{n}.0"):
        pass  # on a busy machine a start may outlast the caller's patience


def children(module: str = "cogitate.server.equivalence.worker") -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if module in child.cmdline()]


def runs(child: psutil.Process) -> bool:
    return child.is_running() and child.status() != psutil.STATUS_ZOMBIE


async def test_equal_whichever_way_round() -> None:
    async with proving() as prover, proving() as other:  # another, so that nothing is remembered
        for a, b in EQUAL:
            assert await prover.equal(a, b) and await other.equal(b, a), (a, b)


async def test_false_when_different_or_in_doubt_whichever_way_round() -> None:
    async with proving() as prover, proving() as other:
        for a, b in DIFFERENT:
            assert not await prover.equal(a, b) and not await other.equal(b, a), (a, b)


async def test_equal_texts_need_no_child() -> None:
    prover = MathProver()
    assert await prover.equal(" 9^{9^9} ", "9^{9^9}")
    assert not children()


async def ticks(gaps: list[tuple[float, float]]) -> None:
    """Every 10 ms, how long it really was: by the clock, and of the processor's time on this thread."""
    while True:
        before, busy = time.perf_counter(), time.thread_time()
        await asyncio.sleep(0.01)
        gaps.append((time.perf_counter() - before, time.thread_time() - busy))


async def timed(prover: MathProver, a: str, b: str) -> tuple[str, bool, float]:
    before = time.perf_counter()
    equal = await prover.equal(a, b)
    return a, equal, time.perf_counter() - before


async def test_hostile_answers_are_false_in_time_and_the_event_loop_never_waits() -> None:
    gaps: list[tuple[float, float]] = []
    async with proving() as prover:
        control = asyncio.create_task(ticks(gaps))
        for first, second in zip(HOSTILE[::2], [*HOSTILE[1::2], "x!!!!"], strict=True):
            async with asyncio.TaskGroup() as both:
                asked = [both.create_task(timed(prover, text, "1")) for text in (first, second)]
            for text, equal, took in (task.result() for task in asked):
                assert not equal, text
                assert took < SECONDS + 0.5, (text, took)
            await warm(prover, 2)
        assert await prover.equal("1/2", "0.5")
        control.cancel()
    assert max(busy for _, busy in gaps) < 0.1
    assert sum(gap > 0.1 for gap, _ in gaps) <= 2  # a busy machine's own; a question on the loop would make one each


async def test_a_question_under_way_is_killed_at_the_limit() -> None:
    async with proving(seconds=0.5) as prover:
        _, equal, took = await timed(prover, "9^{9^{9^{9}}}", "1")
        assert not equal
        assert 0.5 <= took < 1.0


async def test_what_ran_out_of_time_is_not_tried_again() -> None:
    async with proving(seconds=0.5) as prover:
        await prover.equal("9^{9^{9^{9}}}", "1")
        _, equal, took = await timed(prover, "1", "9^{9^{9^{9}}}")
        assert not equal
        assert took < 0.05


async def test_the_queue_is_bounded() -> None:
    async with proving(workers=1, seconds=0.3) as prover, asyncio.TaskGroup() as crowd:
        asked = [crowd.create_task(timed(prover, f"9^{{9^{{9^{{{n}}}}}}}", "1")) for n in range(9, 30)]
    assert not any(task.result()[1] for task in asked)
    assert max(task.result()[2] for task in asked) < 3 * 0.3 + 0.5


async def test_a_child_that_was_killed_is_replaced() -> None:
    async with proving() as prover:
        for child in children():
            child.kill()
        await asyncio.sleep(0.1)
        assert await prover.equal("1/2", "0.5")


async def test_a_child_killed_over_a_question_makes_it_false() -> None:
    async with proving(workers=1) as prover:
        [child] = children()
        async with asyncio.TaskGroup() as asking:
            asked = asking.create_task(timed(prover, "9^{9^{9^{9}}}", "1"))
            await asyncio.sleep(0.1)
            child.kill()
        assert asked.result()[1] is False
        assert asked.result()[2] < 1.0
        assert await prover.equal("1/2", "0.5")


async def test_cancelling_the_caller_kills_the_question_and_the_pool_goes_on() -> None:
    async with proving(workers=1) as prover:
        for n in range(3):
            asked = asyncio.create_task(prover.equal("9^{9^{9^{9}}}", f"{n}"))
            await asyncio.sleep(0.05)
            busy = children()
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            assert await prover.equal("1/2", f"0.5{'0' * n}")
            assert not await prover.equal("1/2", f"0.6{'0' * n}")
            assert not any(map(runs, busy))


async def test_cancelling_while_a_child_starts_leaves_it_to_the_next_caller() -> None:
    prover = MathProver(workers=1)
    asked = asyncio.create_task(prover.equal("1/2", "0.5"))
    await asyncio.sleep(0.1)
    starting = children()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert await prover.equal("1/2", "0.5")
    assert children() == starting
    await prover.close()


async def test_close_leaves_no_child_and_answers_those_who_wait() -> None:
    async with proving() as prover:
        async with asyncio.TaskGroup() as crowd:
            asked = [crowd.create_task(timed(prover, f"9^{{9^{{9^{{{n}}}}}}}", "1")) for n in range(9, 15)]
            await asyncio.sleep(0.2)
            assert len(children()) == 2
            await prover.close()
            assert not children()
        assert not any(task.result()[1] for task in asked)
        assert max(task.result()[2] for task in asked) < 1.0
        assert not await prover.equal("1/2", "0.5")
        assert not children()


async def test_close_while_a_child_starts() -> None:
    prover = MathProver()
    asked = asyncio.create_task(prover.equal("1/2", "0.5"))
    await asyncio.sleep(0)
    await prover.close()
    assert not await asked
    assert not children()


@pytest.mark.parametrize("module", ["server.absent", "this"], ids=["missing", "babbling"])
async def test_a_child_that_does_not_start_is_false_and_not_tried_all_the_time(
    module: str, caplog: pytest.LogCaptureFixture
) -> None:
    prover = MathProver(module=module)
    assert not await prover.equal("1/2", "0.5")
    for n in range(100):
        _, equal, took = await timed(prover, f"{n}", f"{n}.0")
        assert not equal
        assert took < 0.1
    assert len([record for record in caplog.records if record.name.startswith("cogitate")]) == 1
    await prover.close()
    assert not children()


async def test_no_file_descriptor_left_is_false(caplog: pytest.LogCaptureFixture) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    prover = MathProver()
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        assert not await prover.equal("1/2", "0.5")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert len(caplog.records) == 1
    await prover.close()


@pytest.mark.parametrize("verdict", ["", "junk", "[1, 2]", '{"equal": 1, "worn": false}', "x" * 100_000])
async def test_a_child_that_talks_nonsense_is_false(tmp_path: Path, verdict: str) -> None:
    write_module(
        tmp_path / "nonsense.py", f"print('\"ready\"', flush=True); input(); print({verdict!r}, flush=True); input()"
    )
    sys.path.append(str(tmp_path))
    try:
        prover = MathProver(module="nonsense")
        assert not await prover.equal("1/2", "0.5")
        await prover.close()
    finally:
        sys.path.remove(str(tmp_path))
    assert not children("nonsense")


def write_module(path: Path, text: str) -> None:
    path.write_text(text)


async def test_verdicts_are_remembered_within_a_bound() -> None:
    async with proving(workers=1, seconds=0.5, remembered=2) as prover:
        for n in range(3):
            assert await prover.equal(f"{n}/2", f"{n}/2.0")
        [child] = children()
        child.suspend()
        assert await prover.equal("1/2.0", "1/2")
        assert not await prover.equal("0/2", "0/2.0")  # forgotten, and nobody there to ask


def test_on_the_event_loop_that_uvicorn_brings() -> None:
    async def scene() -> None:
        async with proving(workers=1, seconds=0.5) as prover:
            assert await prover.equal("1/2", "0.5")
            assert not await prover.equal("9^{9^{9^{9}}}", "1")
            assert await prover.equal("1/3", "2/6")
        assert not children()

    with asyncio.Runner(loop_factory=pytest.importorskip("uvloop").new_event_loop) as runner:
        runner.run(scene())


async def test_a_child_inherits_no_secret() -> None:
    async with proving(workers=1):
        [child] = children()
        assert set(child.environ()) <= {"PYTHONPATH", "PYTHONHASHSEED", "LC_CTYPE"}


ORPHAN = """
import asyncio
import psutil
from cogitate.server.equivalence.pool import MathProver

async def main():
    prover = MathProver(workers=1, seconds=0.5)
    n = 0
    while not await prover.equal(f"{{(n := n + 1)}}", f"{{n}}.0"):
        pass
    print(psutil.Process().children()[0].pid, flush=True)
    await prover.equal({question!r}, "1")
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("question", ["2", "9^{9^{9^{9}}}"], ids=["idle", "busy"])
def test_a_child_ends_with_its_parent(question: str) -> None:
    command = [sys.executable, "-c", ORPHAN.format(question=question)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=os.getcwd(), text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        time.sleep(0.2)
        assert runs(child)
        parent.kill()
    for _ in range(50):
        if not runs(child):
            return
        time.sleep(0.1)
    pytest.fail("the child still runs five seconds after its parent's end")


async def test_a_parent_with_much_memory_keeps_its_children() -> None:
    """A model server is large, and a child's peak, as the kernel tells it, begins with its parent's."""
    ballast = bytearray(700 * 1024 * 1024)
    seen = set()
    async with proving(workers=1) as prover:
        for n in range(2, 5):
            assert await prover.equal(rf"\sqrt{{{n}}}+0", rf"\sqrt{{{n}}}")
            seen |= {child.pid for child in children()}
    assert len(seen) == 1 and ballast
