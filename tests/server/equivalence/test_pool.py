"""The pool with real worker processes: correct verdicts, hostile answers, no process left over."""

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

from cogitate.server.equivalence.pool import MAX_ANSWER_CHARACTERS, EquivalencePool

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
    ("2^{0.5}", r"\sqrt{2}"),
    ("2(3)", "6"),
    ("pi/2", r"\frac{\pi}{2}"),
    ("2x+4y-3=0", r"y = -\frac{1}{2}x + \frac{3}{4}"),
    ("14.0 + -1.0i", "14 - i"),
]
DIFFERENT = [
    ("(1,2)", "(2,1)"),
    ("(1,2)", r"\{1,2\}"),
    ("[1,2]", "(1,2)"),
    ("x=5", "y=5"),
    ("2x+3=5", "5"),
    ("2(3)", "5"),
    ("2024-03-05", "2024-05-03"),
    ("1:15", "2:30"),
    ("101_2", "101_3"),
    ("2, 2, 3", "2, 3"),
    ("3 hours", "3 minutes"),
    ("x", "X"),
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
    ("1" * (MAX_ANSWER_CHARACTERS + 1), "1" * (MAX_ANSWER_CHARACTERS + 1)),
]
HOSTILE = [
    "9**9**9**9",
    "9^{9^{9^{9}}}",
    "(" * MAX_ANSWER_CHARACTERS,
    r"\frac{" * 33,
    "100000000!",
    "((10!)!)!",
    r"\sum_{n=1}^{1000000000} \frac{1}{n^3+n}",
    "(x+y+z+w)^{500}(x-y)^{500}",
    "__import__('os').system('true')",
    '"]\n["1","1"]\n',
    "\x00\ud800",
    "x!!!!",
]
FRESH = itertools.count(1000)
OTHER_WORKERS = set[int]()


@pytest.fixture(autouse=True)
def ignore_workers_of_other_pools() -> None:
    OTHER_WORKERS.update(worker.pid for worker in children())


def slow_pair(n: int = 0) -> tuple[str, str]:
    """Two expressions of one value whose proof takes far longer than any limit here: they have 135,000 terms."""
    power = f"(x+y+z+w+1)^{{{40 + n}}}"
    return f"(x-1){power}", f"x{power}-{power}"


@asynccontextmanager
async def open_pool(
    workers: int = 2, seconds: float = SECONDS, max_verdicts: int = 4096
) -> AsyncIterator[EquivalencePool]:
    """A pool with its workers started, closed at the end."""
    pool = EquivalencePool(workers=workers, seconds=seconds, max_verdicts=max_verdicts)
    try:
        await warm(pool, workers)
        yield pool
    finally:
        await pool.close()


async def warm(pool: EquivalencePool, workers: int) -> None:
    """Start all workers, with pairs that were never compared before."""
    async with asyncio.TaskGroup() as starts:
        for _ in range(workers):
            starts.create_task(start_worker(pool))


async def start_worker(pool: EquivalencePool) -> None:
    while not await pool.equal(f"{(n := next(FRESH))}", f"{n}.0"):
        pass  # on a busy machine a start may take longer than the queue's timeout


def children(module: str = "cogitate.server.equivalence.worker") -> list[psutil.Process]:
    """The workers that the test started: another module's fixture may have a pool of its own open."""
    workers = [child for child in psutil.Process().children() if module in child.cmdline()]
    return [worker for worker in workers if worker.pid not in OTHER_WORKERS]


def is_running(child: psutil.Process) -> bool:
    return child.is_running() and child.status() != psutil.STATUS_ZOMBIE


async def test_equal_answers_are_equal_in_both_orders() -> None:
    async with open_pool() as pool, open_pool() as other:  # two pools, so that no verdict comes from a cache
        for a, b in EQUAL:
            assert await pool.equal(a, b) and await other.equal(b, a), (a, b)


async def test_different_or_doubtful_answers_are_not_equal_in_either_order() -> None:
    async with open_pool() as pool, open_pool() as other:
        for a, b in DIFFERENT:
            assert not await pool.equal(a, b) and not await other.equal(b, a), (a, b)


async def test_identical_texts_need_no_worker() -> None:
    pool = EquivalencePool()
    assert await pool.equal(" 9^{9^9} ", "9^{9^9}")
    assert not children()


async def ticks(gaps: list[tuple[float, float]]) -> None:
    """Record how long sleeps of 10 ms took: by the clock, and in processor time of this thread."""
    while True:
        before, busy = time.perf_counter(), time.thread_time()
        await asyncio.sleep(0.01)
        gaps.append((time.perf_counter() - before, time.thread_time() - busy))


async def measure(pool: EquivalencePool, a: str, b: str) -> tuple[str, bool, float]:
    start = time.perf_counter()
    equal = await pool.equal(a, b)
    return a, equal, time.perf_counter() - start


async def test_hostile_answers_are_false_in_time_and_do_not_block_the_event_loop() -> None:
    gaps: list[tuple[float, float]] = []
    pairs = [*((text, "1") for text in HOSTILE), slow_pair(0), slow_pair(1)]
    async with open_pool() as pool:
        control = asyncio.create_task(ticks(gaps))
        for at in range(0, len(pairs), 2):
            async with asyncio.TaskGroup() as both:
                asked = [both.create_task(measure(pool, *pair)) for pair in pairs[at : at + 2]]
            for text, equal, took in (task.result() for task in asked):
                assert not equal, text
                assert took < SECONDS + 0.5, (text, took)
            await warm(pool, 2)
        assert await pool.equal("1/2", "0.5")
        control.cancel()
    assert len(gaps) > 10, "no pair took any time"
    assert max(busy for _, busy in gaps) < 0.1
    assert sum(gap > 0.1 for gap, _ in gaps) <= 2  # a busy machine's own; a question on the loop would make one each


async def test_comparison_is_killed_at_the_time_limit() -> None:
    async with open_pool(seconds=0.5) as pool:
        _, equal, took = await measure(pool, *slow_pair())
        assert not equal
        assert 0.5 <= took < 1.0


async def test_timed_out_pairs_are_cached_as_false() -> None:
    async with open_pool(seconds=0.5) as pool:
        await pool.equal(*slow_pair())
        _, equal, took = await measure(pool, *slow_pair()[::-1])
        assert not equal
        assert took < 0.05


async def test_waiting_in_the_queue_is_bounded() -> None:
    async with open_pool(workers=1, seconds=0.3) as pool, asyncio.TaskGroup() as crowd:
        asked = [crowd.create_task(measure(pool, *slow_pair(n))) for n in range(9, 30)]
    assert not any(task.result()[1] for task in asked)
    assert max(task.result()[2] for task in asked) < 3 * 0.3 + 0.5


async def test_killed_workers_are_replaced() -> None:
    async with open_pool() as pool:
        for child in children():
            child.kill()
        await asyncio.sleep(0.1)
        assert await pool.equal("1/2", "0.5")


async def test_worker_killed_during_a_comparison_makes_it_false() -> None:
    async with open_pool(workers=1) as pool:
        [child] = children()
        async with asyncio.TaskGroup() as asking:
            asked = asking.create_task(measure(pool, *slow_pair()))
            await asyncio.sleep(0.1)
            child.kill()
        assert asked.result()[1] is False
        assert asked.result()[2] < 1.0
        assert await pool.equal("1/2", "0.5")


async def test_cancelling_the_caller_kills_the_worker_and_the_pool_continues() -> None:
    async with open_pool(workers=1) as pool:
        for n in range(3):
            asked = asyncio.create_task(pool.equal(*slow_pair(n)))
            await asyncio.sleep(0.05)
            busy = children()
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            assert await pool.equal("1/2", f"0.5{'0' * n}")
            assert not await pool.equal("1/2", f"0.6{'0' * n}")
            assert not any(map(is_running, busy))


async def test_worker_whose_caller_was_cancelled_during_its_start_serves_the_next_caller() -> None:
    pool = EquivalencePool(workers=1)
    asked = asyncio.create_task(pool.equal("1/2", "0.5"))
    await asyncio.sleep(0.1)
    starting = children()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert await pool.equal("1/2", "0.5")
    assert children() == starting
    await pool.close()


async def test_close_leaves_no_worker_and_returns_false_to_waiting_callers() -> None:
    async with open_pool() as pool:
        async with asyncio.TaskGroup() as crowd:
            asked = [crowd.create_task(measure(pool, *slow_pair(n))) for n in range(9, 15)]
            await asyncio.sleep(0.2)
            assert len(children()) == 2
            await pool.close()
            assert not children()
        assert not any(task.result()[1] for task in asked)
        assert max(task.result()[2] for task in asked) < 1.0
        assert not await pool.equal("1/2", "0.5")
        assert not children()


async def test_close_during_the_start_of_a_worker() -> None:
    pool = EquivalencePool()
    asked = asyncio.create_task(pool.equal("1/2", "0.5"))
    await asyncio.sleep(0)
    await pool.close()
    assert not await asked
    assert not children()


@pytest.mark.parametrize("module", ["server.absent", "this"], ids=["missing module", "prints garbage"])
async def test_worker_that_does_not_start_is_false_and_starts_are_paused(
    module: str, caplog: pytest.LogCaptureFixture
) -> None:
    pool = EquivalencePool(module=module)
    assert not await pool.equal("1/2", "0.5")
    for n in range(100):
        _, equal, took = await measure(pool, f"{n}", f"{n}.0")
        assert not equal
        assert took < 0.1
    assert len([record for record in caplog.records if record.name.startswith("cogitate")]) == 1
    await pool.close()
    assert not children()


async def test_running_out_of_file_descriptors_is_false(caplog: pytest.LogCaptureFixture) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    pool = EquivalencePool()
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        assert not await pool.equal("1/2", "0.5")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert len(caplog.records) == 1
    await pool.close()


@pytest.mark.parametrize("verdict", ["", "junk", "[1, 2]", '{"equal": 1, "worn": false}', "x" * 100_000])
async def test_worker_that_writes_garbage_is_false(tmp_path: Path, verdict: str) -> None:
    write_module(
        tmp_path / "nonsense.py", f"print('\"ready\"', flush=True); input(); print({verdict!r}, flush=True); input()"
    )
    sys.path.append(str(tmp_path))
    try:
        pool = EquivalencePool(module="nonsense")
        assert not await pool.equal("1/2", "0.5")
        await pool.close()
    finally:
        sys.path.remove(str(tmp_path))
    assert not children("nonsense")


def write_module(path: Path, text: str) -> None:
    path.write_text(text)


async def test_verdicts_are_cached_up_to_a_maximum() -> None:
    async with open_pool(workers=1, seconds=0.5, max_verdicts=2) as pool:
        for n in range(3):
            assert await pool.equal(f"{n}/2", f"{n}/2.0")
        [child] = children()
        child.suspend()
        assert await pool.equal("1/2.0", "1/2")
        assert not await pool.equal("0/2", "0/2.0")  # dropped from the cache, and the worker is suspended


def test_pool_works_on_uvloop() -> None:
    async def run_pool() -> None:
        async with open_pool(workers=1, seconds=0.5) as pool:
            assert await pool.equal("1/2", "0.5")
            assert not await pool.equal(*slow_pair())
            assert await pool.equal("1/3", "2/6")
        assert not children()

    with asyncio.Runner(loop_factory=pytest.importorskip("uvloop").new_event_loop) as runner:
        runner.run(run_pool())


async def test_workers_do_not_inherit_the_environment() -> None:
    async with open_pool(workers=1):
        [child] = children()
        assert set(child.environ()) <= {"PYTHONPATH", "PYTHONHASHSEED", "LC_CTYPE"}


ORPHAN = """
import asyncio
import psutil
from cogitate.server.equivalence.pool import EquivalencePool

async def main():
    pool = EquivalencePool(workers=1, seconds=0.5)
    n = 0
    while not await pool.equal(f"{{(n := n + 1)}}", f"{{n}}.0"):
        pass
    print(psutil.Process().children()[0].pid, flush=True)
    await pool.equal(*{question!r})
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("question", [("2", "1"), slow_pair()], ids=["idle", "busy"])
def test_worker_ends_with_its_parent(question: tuple[str, str]) -> None:
    command = [sys.executable, "-c", ORPHAN.format(question=question)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=os.getcwd(), text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        time.sleep(0.2)
        assert is_running(child)
        parent.kill()
    for _ in range(50):
        if not is_running(child):
            return
        time.sleep(0.1)
    pytest.fail("the worker still runs five seconds after its parent's end")


async def test_workers_of_a_parent_with_much_memory_are_not_replaced() -> None:
    """An exec'ed process starts with its parent's peak memory, as ru_maxrss has it, and a model server is large."""
    ballast = bytearray(700 * 1024 * 1024)
    seen = set()
    async with open_pool(workers=1) as pool:
        for n in range(2, 5):
            assert await pool.equal(rf"\sqrt{{{n}}}+0", rf"\sqrt{{{n}}}")
            seen |= {child.pid for child in children()}
    assert len(seen) == 1 and ballast
