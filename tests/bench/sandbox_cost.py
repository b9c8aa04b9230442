"""Measures the cost of sandboxed programs: python -m tests.bench.sandbox_cost [--runs N]

For each sandbox backend that works on this machine: the overhead of one program at a time, and the throughput with one
program per core. The overhead is the time of a sandboxed run less that of the same program under a bare
`python -s -S -B -c`. The two alternate, so that other load on the machine affects both.
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
OUTPUT = "332833500\n"
SOLUTION = "def f(x): return x * x + 1"
TESTS = [f"assert f({n}) == {n * n + 1}" for n in range(10)]
BACKENDS = ("bwrap", "landlock")
WARM_UP_RUNS = 2
MIN_RUNS_PER_SECOND = 10.0
"""Limit for two cores."""
MAX_OVERHEAD_MS = 50.0
"""Limit of the median on an idle machine."""


async def run_bare() -> None:
    """Run the program under the same interpreter without a sandbox."""
    command = (*interpreter.command()[: 1 + len(interpreter.FLAGS)], PROGRAM)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env={})
    assert (await process.communicate())[0] == OUTPUT.encode()


async def run_program(programs: Programs) -> None:
    assert (await programs.run(PROGRAM)).stdout == OUTPUT


async def run_unit_tests(programs: Programs) -> None:
    assert all((await programs.test(SOLUTION, TESTS)).passed)


async def measure_overheads(programs: Programs, runs: int) -> list[float]:
    """Return the overhead of each run in milliseconds; negative where the bare run was the slower one."""
    overheads = []
    for turn in range(runs + WARM_UP_RUNS):
        start = time.perf_counter()
        await run_bare()
        middle = time.perf_counter()
        await run_program(programs)
        if turn >= WARM_UP_RUNS:
            overheads.append((time.perf_counter() - middle - (middle - start)) * 1000)
    return overheads


async def measure_throughput(programs: Programs, runs: int, *, unit_tests: bool) -> float:
    """Return the runs per second, started all at once; the sandbox runs one per core."""
    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(runs):
            group.create_task(run_unit_tests(programs) if unit_tests else run_program(programs))
    return runs / (time.perf_counter() - start)


async def measure_backend(table: Table, backend: str, runs: int) -> None:
    """Add a backend's rows to the table; a backend that does not work here is reported on stderr."""
    try:
        programs = await open_programs(backend, Limits())
    except CannotStart as error:
        say(f"{backend}: not measured: {error}")
        return
    overheads = await measure_overheads(programs, runs)
    met = statistics.median(overheads) <= MAX_OVERHEAD_MS
    table.add(f"{backend}: overhead of a run", f"{spread(overheads, 0)} ms", f"p50 <= {MAX_OVERHEAD_MS:.0f} ms", met)
    for unit_tests, what in ((False, "programs"), (True, f"candidates, {len(TESTS)} tests each")):
        rate = await measure_throughput(programs, runs, unit_tests=unit_tests)
        label = f"{backend}: {what}, {available_cores()} at a time"
        table.add(label, f"{rate:.1f} per second", f">= {MIN_RUNS_PER_SECOND:.0f}", rate >= MIN_RUNS_PER_SECOND)


async def main(runs: int) -> None:
    table = Table()
    for backend in BACKENDS:
        await measure_backend(table, backend, runs)
    print(table.markdown())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=60, help="runs per figure (default: 60)")
    asyncio.run(main(parser.parse_args().runs))
