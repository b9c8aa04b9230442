"""Nothing is left behind, no process and no file, however runs and the server end."""

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
from cogitate.server.sandbox.backend import SandboxBackend
from cogitate.server.sandbox.cleanup import remove_leftovers
from cogitate.server.sandbox.interpreter import OWNER_MARK
from cogitate.server.sandbox.local import LocalPrograms
from tests.server.sandbox.backends import find_processes, wait_for_processes, wait_until_none

SERVER = """
import asyncio, sys
from cogitate.server.sandbox import Limits, open_programs

async def main():
    programs = await open_programs(sys.argv[1], Limits(wall=30, cpu=30, concurrency=3))
    print("ready", flush=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(programs.run("import time; time.sleep(60)"))
        group.create_task(programs.run("while True: pass"))
        group.create_task(programs.test("import time; time.sleep(60)", ["f()"]))

asyncio.run(main())
"""
CONCURRENT_SERVERS = 5
"""Each waits more than it computes."""
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


@pytest.mark.fault("T43")
@pytest.mark.fault("T43")
@pytest.mark.parametrize("count", [40, pytest.param(1000, marks=pytest.mark.faults)])
async def test_mixed_runs_leave_no_process_no_file_and_no_descriptor(
    bar, code_exec: str, backend: SandboxBackend, count: int
):
    programs = LocalPrograms(backend, Limits(wall=0.5, cpu=1))
    await programs.run("print(1)")
    before = files(), processes(), len(os.listdir("/proc/self/fd"))
    await many(programs, count)
    alive = not await wait_until_none()
    ours = {
        name for name in files() - before[0] if "cogitate" in name or "escaped" in name or name.split("/")[-1].isdigit()
    }
    more = len(processes() - before[1]), len(os.listdir("/proc/self/fd")) - before[2]
    figure = f"{len(ours)} files, {more[0]} processes, {more[1]:+d} descriptors"
    clean = not ours and not alive and not more[0] and more[1] <= 0
    bar(f"{code_exec}: left by {count} mixed runs, a third cut short", figure, "0, 0, +0", clean)
    assert (await programs.run("print(1)")).ok


async def sum_over_servers(count: int, one: Callable[[int], Awaitable[int]]) -> int:
    """Return the sum of `one` over `count` servers, a few at a time."""
    lanes = asyncio.Semaphore(CONCURRENT_SERVERS)

    async def each(number: int) -> int:
        async with lanes:
            return await one(number)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each(number)) for number in range(count)]
    return sum(task.result() for task in tasks)


@pytest.mark.fault("T43")
@pytest.mark.fault("T43")
@pytest.mark.parametrize("count", [3, pytest.param(100, marks=pytest.mark.faults)])
async def test_runs_die_with_a_killed_server(bar, code_exec: str, count: int):
    async def one(number: int) -> int:
        async with serving(code_exec) as server:
            await wait_for_processes(4, server.pid)
            server.send_signal(signal.SIGKILL)
        return 0 if await wait_until_none(1.0, server.pid) else len(find_processes(server.pid))

    left = await sum_over_servers(count, one)
    bar(f"{code_exec}: alive 1 s after kill -9 of {count} servers with runs", f"{left}", "0", not left)


@pytest.mark.fault("T43")
@pytest.mark.fault("T43")
@pytest.mark.parametrize("count", [8, pytest.param(100, marks=pytest.mark.faults)])
async def test_next_start_removes_runs_of_a_server_killed_while_they_began(bar, code_exec: str, count: int):
    async def one(number: int) -> int:
        async with serving(code_exec) as server:
            await asyncio.sleep(number % 25 * 0.003)
            server.send_signal(signal.SIGKILL)
        await asyncio.sleep(0.1)
        remove_leftovers()
        return 0 if await wait_until_none(1.0, server.pid) else len(find_processes(server.pid))

    left = await sum_over_servers(count, one)
    what = f"{code_exec}: alive after the next start, {count} servers killed while runs began"
    bar(what, f"{left}", "0", not left)


async def test_cleanup_spares_running_programs(programs: LocalPrograms):
    task = asyncio.create_task(programs.run("import time; time.sleep(0.5); print(1)"))
    await asyncio.sleep(0.2)
    remove_leftovers()
    assert (await task).ok


def start_server(code_exec: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", SERVER, code_exec], stdout=subprocess.PIPE, text=True)


@asynccontextmanager
async def serving(code_exec: str) -> AsyncIterator["subprocess.Popen[str]"]:
    """Yield a server that is ready to start three runs, and then does."""
    with start_server(code_exec) as server:
        assert server.stdout is not None and await asyncio.to_thread(server.stdout.readline) == "ready\n"
        yield server


OPEN_TARGETS = """
import time
from cogitate.server.sandbox.selftest import open_targets
with open_targets() as targets:
    print(targets.file, flush=True)
    time.sleep(60)
"""


def test_next_start_removes_the_targets_folder_of_a_killed_server():
    with subprocess.Popen([sys.executable, "-c", OPEN_TARGETS], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        left = Path(server.stdout.readline().strip()).parent
        remove_leftovers()
        assert left.exists()  # its owner lives
        server.kill()
    remove_leftovers()
    assert not left.exists()


def test_cleanup_spares_processes_of_another_pid_namespace():
    """The server's pid in its command is of another pid namespace, where the server lives."""
    mark = ("sh", "-c", 'exec "$0" -c "import time; time.sleep(60)" "$1$2"', sys.executable, OWNER_MARK, "7")
    with subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", *mark]) as container:
        eventually = time.monotonic() + 5
        while not (inside := find_processes(7)) and time.monotonic() < eventually and container.poll() is None:
            time.sleep(0.02)
        if not inside:
            container.kill()
            pytest.skip("no pid namespace can be made here")
        remove_leftovers()
        assert container.poll() is None and inside[0].is_running()
        container.kill()
