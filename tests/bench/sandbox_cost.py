"""What it costs to hold a program: python -m tests.bench.sandbox_cost [--runs N]

Honest programs, one after the other, with each backend that this machine can run and without any; then as many as
possible in a second, cores at a time. Overhead is a run's time less that of `python -s -S -B -c` with the same program,
each beside the other, so that what else the machine does weighs on both.
"""

import argparse
import asyncio
import statistics
import time

from cogitate.server.engine import CannotStart
from cogitate.server.sandbox import Limits, interpreter, open_programs
from cogitate.server.sandbox.limits import available_cores
from cogitate.strategies.core.programs import Programs
from tests.bench.report import Table, say, spread

PROGRAM = "print(sum(n * n for n in range(1000)))"
SOLUTION = "def f(x): return x * x + 1"
TESTS = [f"assert f({n}) == {n * n + 1}" for n in range(10)]
RUNS_A_SECOND, IDLE_OVERHEAD = 10.0, 50.0
"""Bars: honest runs a second on two cores; milliseconds at the median on an idle machine."""


async def bare() -> None:
    """The same interpreter and program without a sandbox."""
    command = (*interpreter.command()[: 1 + len(interpreter.FLAGS)], PROGRAM)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env={})
    assert (await process.communicate())[0] == b"332833500\n"


async def held(programs: Programs) -> None:
    assert (await programs.run(PROGRAM)).stdout == "332833500\n"


async def tested(programs: Programs) -> None:
    assert all((await programs.test(SOLUTION, TESTS)).passed)


async def overheads(programs: Programs, runs: int) -> list[float]:
    """Milliseconds, in pairs."""
    kept = []
    for turn in range(runs + 2):
        begun = time.perf_counter()
        await bare()
        between = time.perf_counter()
        await held(programs)
        if turn >= 2:
            kept.append((time.perf_counter() - between - (between - begun)) * 1000)
    return kept


async def rate(programs: Programs, runs: int, *, tests: bool) -> float:
    """Runs a second, as many at a time as there are cores."""
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(runs):
            group.create_task(tested(programs) if tests else held(programs))
    return runs / (time.perf_counter() - begun)


async def measured(table: Table, how: str, runs: int) -> None:
    try:
        programs = await open_programs(how, Limits())
    except CannotStart as error:
        say(f"{how}: not measured: {error}")
        return
    over = await overheads(programs, runs)
    middle = statistics.median(over)
    table.add(
        f"{how}: overhead of a run", f"{spread(over, 0)} ms", f"p50 <= {IDLE_OVERHEAD:.0f} ms", middle <= IDLE_OVERHEAD
    )
    for tests, what in ((False, "programs"), (True, f"candidates, {len(TESTS)} tests each")):
        a_second = await rate(programs, runs, tests=tests)
        met = a_second >= RUNS_A_SECOND
        table.add(f"{how}: {what}, {available_cores()} at a time", f"{a_second:.1f} a second", f">= {RUNS_A_SECOND:.0f}", met)


async def compared(runs: int) -> None:
    table = Table()
    for how in ("bwrap", "landlock"):
        await measured(table, how, runs)
    print(table.markdown())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=60, help="of each kind")
    asyncio.run(compared(parser.parse_args().runs))
