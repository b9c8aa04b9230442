"""Nothing stays behind: no process, no file, whatever runs are left by and however the server ends."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from cogitate.server.sandbox import Limits
from cogitate.server.sandbox.backend import Cage
from cogitate.server.sandbox.cleanup import reap
from cogitate.server.sandbox.interpreter import OWNER
from cogitate.server.sandbox.local import LocalPrograms
from tests.server.sandbox.backends import none_left, sandboxed, started

SERVER = """
import asyncio, sys
from server.sandbox import Limits, opened

async def main():
    programs = await opened(sys.argv[1], Limits(wall=30, cpu=30, concurrency=3))
    print("ready", flush=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(programs.run("import time; time.sleep(60)"))
        group.create_task(programs.run("while True: pass"))
        group.create_task(programs.test("import time; time.sleep(60)", ["f()"]))

asyncio.run(main())
"""
AT_ONCE = 5
"""Servers: each waits more than it computes."""
PLACES = ("/tmp", "/dev/shm", "/var/tmp", "/run")
MIXED = (
    "print(1)",
    "1 / 0",
    "import os; os.abort()",
    "bytes(1 << 30)",
    "import time; time.sleep(9)",
    "while True: print('x' * 9999)",
    "import os\nwhile True: os.fork()",
    "import threading, time\nfor _ in range(99): threading.Thread(target=time.sleep, args=(9,)).start()",
    "import os\nfor n in range(999): open('/tmp/%d' % n, 'wb').write(bytes(1 << 20))",
    "import os\nos.closerange(0, 9)",
)


def files() -> set[str]:
    return {str(Path(place) / name) for place in PLACES for name in os.listdir(place)}


def processes() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


async def many(programs: LocalPrograms, count: int) -> None:
    async def one(number: int) -> None:
        chosen = random.Random(number)
        call = programs.run(chosen.choice(MIXED)) if number % 4 else programs.test(chosen.choice(MIXED), ["f()"])
        task = asyncio.ensure_future(call)
        await asyncio.wait([task], timeout=None if number % 3 else chosen.random() / 5)
        task.cancel()
        await asyncio.wait([task])

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(one(number))


@pytest.mark.parametrize("count", [40, pytest.param(1000, marks=pytest.mark.faults)])
async def test_mixed_runs_leave_no_process_no_file_and_no_descriptor(bar, how: str, cage: Cage, count: int):
    programs = LocalPrograms(cage, Limits(wall=0.5, cpu=1))
    await programs.run("print(1)")
    before = files(), processes(), len(os.listdir("/proc/self/fd"))
    await many(programs, count)
    alive = not await none_left()
    ours = {
        name for name in files() - before[0] if "cogitate" in name or "escaped" in name or name.split("/")[-1].isdigit()
    }
    more = len(processes() - before[1]), len(os.listdir("/proc/self/fd")) - before[2]
    figure = f"{len(ours)} files, {more[0]} processes, {more[1]:+d} descriptors"
    clean = not ours and not alive and not more[0] and more[1] <= 0
    bar("T43", f"{how}: left by {count} mixed runs, a third cut short", figure, "0, 0, +0", clean)
    assert (await programs.run("print(1)")).ok


async def summed(count: int, one: Callable[[int], Awaitable[int]]) -> int:
    """Of so many servers, a few at a time."""
    lanes = asyncio.Semaphore(AT_ONCE)

    async def each(number: int) -> int:
        async with lanes:
            return await one(number)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each(number)) for number in range(count)]
    return sum(task.result() for task in tasks)


@pytest.mark.parametrize("count", [3, pytest.param(100, marks=pytest.mark.faults)])
async def test_a_server_that_is_killed_takes_its_runs_with_it(bar, how: str, count: int):
    async def one(number: int) -> int:
        async with serving(how) as server:
            await started(4, server.pid)
            server.send_signal(signal.SIGKILL)
        return 0 if await none_left(1.0, server.pid) else len(sandboxed(server.pid))

    left = await summed(count, one)
    bar("T43", f"{how}: alive 1 s after kill -9 of {count} servers with runs", f"{left}", "0", not left)


@pytest.mark.parametrize("count", [8, pytest.param(100, marks=pytest.mark.faults)])
async def test_killed_while_its_runs_begin_it_leaves_nothing_after_the_next_start(bar, how: str, count: int):
    async def one(number: int) -> int:
        async with serving(how) as server:
            await asyncio.sleep(number % 25 * 0.003)
            server.send_signal(signal.SIGKILL)
        await asyncio.sleep(0.1)
        reap()
        return 0 if await none_left(1.0, server.pid) else len(sandboxed(server.pid))

    left = await summed(count, one)
    what = f"{how}: alive after the next start, {count} servers killed while runs began"
    bar("T43", what, f"{left}", "0", not left)


async def test_what_lives_is_not_reaped(programs: LocalPrograms):
    task = asyncio.create_task(programs.run("import time; time.sleep(0.5); print(1)"))
    await asyncio.sleep(0.2)
    reap()
    assert (await task).ok


def begun(how: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", SERVER, how], stdout=subprocess.PIPE, text=True)


@asynccontextmanager
async def serving(how: str) -> AsyncIterator["subprocess.Popen[str]"]:
    """A server that is ready to start three runs, and then does."""
    with begun(how) as server:
        assert server.stdout is not None and await asyncio.to_thread(server.stdout.readline) == "ready\n"
        yield server


BAIT = """
import time
from cogitate.server.sandbox.selftest import bait
with bait() as laid:
    print(laid.file, flush=True)
    time.sleep(60)
"""


def test_baits_of_a_killed_server_are_taken_away_by_the_next_start():
    with subprocess.Popen([sys.executable, "-c", BAIT], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        left = Path(server.stdout.readline().strip()).parent
        reap()
        assert left.exists()  # its owner lives
        server.kill()
    reap()
    assert not left.exists()


def test_what_a_container_runs_is_not_reaped():
    """The number in its command is of another pid namespace, where its parent lives."""
    mark = ("sh", "-c", 'exec "$0" -c "import time; time.sleep(60)" "$1$2"', sys.executable, OWNER, "7")
    with subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", *mark]) as container:
        eventually = time.monotonic() + 5
        while not (inside := sandboxed(7)) and time.monotonic() < eventually and container.poll() is None:
            time.sleep(0.02)
        if not inside:
            container.kill()
            pytest.skip("no pid namespace can be made here")
        reap()
        assert container.poll() is None and inside[0].is_running()
        container.kill()
