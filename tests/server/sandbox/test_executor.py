"""The executor: another process runs the programs, and neither side trusts the other further than it must."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cogitate.server.engine import CannotStart
from cogitate.server.sandbox import Limits, opened
from cogitate.server.sandbox.executor import bound
from cogitate.server.sandbox.remote import RemotePrograms
from cogitate.server.sandbox.rpc import MOST
from cogitate.strategies.core.programs import Programs
from tests.server.sandbox.backends import none_left, reason_not_to, started


class Executor:
    """A real one, in a process of its own, ready to be asked."""

    def __init__(self, how: str, path: Path) -> None:
        self.path = path
        command = [sys.executable, "-m", "cogitate.server.sandbox.executor", "--socket", str(path), "--code-exec", how]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert "programs are run in" in line, line

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        return self.process.poll() is None


@contextmanager
def executing(how: str, path: Path) -> Iterator[Executor]:
    executor = Executor(how, path)
    try:
        yield executor
    finally:
        executor.process.terminate()
        executor.process.communicate(timeout=10)


@pytest.fixture(scope="module", params=["bwrap", "landlock"])
def executor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    if why := reason_not_to(request.param):
        pytest.skip(f"NOT TESTED IN {request.param}: {why}")
    with executing(request.param, tmp_path_factory.mktemp("executor") / "run.sock") as executor:
        yield executor


@pytest.fixture
def programs(executor: Executor) -> RemotePrograms:
    return RemotePrograms(str(executor.path), Limits())


async def test_it_is_opened_like_any_other(executor: Executor):
    programs = await opened(f"remote:{executor.path}", Limits())
    ran = await programs.run("print(input())", stdin="hällo")
    assert (ran.stdout, ran.reason) == ("hällo\n", "ok")
    tested = await programs.test("def f(x): return x", ["assert f(1) == 1", "assert f(1) == 2"])
    assert (tested.passed, tested.reason) == ((True, False), "ok")


async def test_failures_come_back_as_they_are(programs: Programs):
    assert (await programs.run("1 / 0")).reason == "error"
    assert (await programs.run("bytes(1 << 30)")).reason == "memory"
    assert (await programs.run("print('\\ud800')")).reason == "error"
    assert (await programs.run("print('x' * 99999)")).reason == "output"
    assert (await programs.run("'\ud800'")).reason == "refused"


async def test_hanging_up_kills_the_run(executor: Executor, programs: Programs):
    for call in (programs.run("while True: pass"), programs.test("while True: pass", ["f()"])):
        task = asyncio.create_task(call)
        await started(1, executor.pid)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await none_left(0.5, executor.pid)
    assert executor.alive()


def spoken(path: Path, message: bytes, *, patience: float = 8.0) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(patience)
        client.connect(str(path))
        client.sendall(message)
        client.shutdown(socket.SHUT_WR)
        try:
            return client.recv(1 << 16)
        except ConnectionResetError:
            return b""


def framed(text: bytes) -> bytes:
    return len(text).to_bytes(4, "big") + text


@pytest.mark.parametrize(
    "message",
    [
        b"", b"\0", b"\0\0\0\5ab", b"\xff\xff\xff\xff", (MOST + 1).to_bytes(4, "big"), framed(b""), framed(b"{"),
        framed(b"[" * 100_000), framed(b"null"), framed(b'{"kind": "run"}'), framed(b'{"kind": "exec", "source": "1"}'),
        framed(b'{"kind": "run", "source": 1, "stdin": ""}'), framed(b'{"kind": "test", "source": "", "tests": [1]}'),
        framed(b'{"kind": "run", "source": "\\ud800", "stdin": ""}'), os.urandom(1000), b"GET / HTTP/1.1\r\n\r\n",
    ],
)  # fmt: skip
async def test_nonsense_is_hung_up_on(executor: Executor, programs: Programs, message: bytes):
    assert await asyncio.to_thread(spoken, executor.path, message) == b""
    assert executor.alive() and (await programs.run("print(1)")).ok


async def test_more_than_its_limits_allow_is_refused_there_too(executor: Executor):
    careless = RemotePrograms(str(executor.path), Limits(source=1 << 20))
    assert (await careless.run("#" + "x" * (1 << 17))).reason == "refused"


async def test_many_at_once_all_come_back(programs: Programs):
    async with asyncio.TaskGroup() as group:
        told = [group.create_task(programs.run(f"print({n})")) for n in range(30)]
    assert [task.result().stdout for task in told] == [f"{n}\n" for n in range(30)]


def test_the_socket_is_for_its_owner_and_group(executor: Executor):
    assert stat.S_IMODE(executor.path.stat().st_mode) == 0o660


async def test_one_that_dies_refuses_and_one_that_comes_back_runs(how: str, tmp_path: Path):
    path = tmp_path / "run.sock"
    programs = RemotePrograms(str(path), Limits())
    with executing(how, path) as executor:
        task = asyncio.create_task(programs.run("import time; time.sleep(60)"))
        await started(1, executor.pid)
        executor.process.send_signal(signal.SIGKILL)
        assert (await task).reason == "refused"
        assert await none_left(1.0, executor.pid)
    assert (await programs.run("print(1)")).reason == "refused"
    with executing(how, path):
        assert (await programs.run("print(1)")).ok
    assert not path.exists()


async def test_sigterm_ends_what_runs(how: str, tmp_path: Path):
    with executing(how, tmp_path / "run.sock") as executor:
        programs = RemotePrograms(str(executor.path), Limits())
        task = asyncio.create_task(programs.run("import time; time.sleep(60)"))
        await started(1, executor.pid)
        began = time.perf_counter()
        executor.process.send_signal(signal.SIGTERM)
        assert (await task).reason == "refused"
        assert time.perf_counter() - began < 2
        assert await none_left(1.0, executor.pid)


async def ended_as_runs_begin(how: str, path: Path, delay: float) -> bool:
    """Whether SIGTERM ends an executor of which some clients have just left."""
    executor = Executor(how, path)
    programs = RemotePrograms(str(path), Limits())
    tasks = [asyncio.create_task(programs.run("import time; time.sleep(60)")) for _ in range(8)]
    await asyncio.sleep(delay)
    for task in tasks[:4]:
        task.cancel()
    await asyncio.sleep(0)
    executor.process.send_signal(signal.SIGTERM)
    try:
        return await asyncio.to_thread(executor.process.wait, 20) == 0
    except subprocess.TimeoutExpired:
        executor.process.kill()
        return False
    finally:
        await asyncio.wait(tasks)
        executor.process.communicate()


@pytest.mark.faults
async def test_t43_an_executor_ends_while_runs_begin(bar, how: str, tmp_path: Path):
    ended = [await ended_as_runs_begin(how, tmp_path / f"{at}.sock", at * 0.004) for at in range(10)]
    what = f"{how}: of {len(ended)} executors ended as runs begin and clients leave, those that end"
    bar("T43", what, str(sum(ended)), "all", all(ended))


def test_a_place_that_is_taken_is_not_taken_over(executor: Executor, tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    for path in (executor.path, tmp_path / "file", tmp_path / "no" / "folder"):
        with pytest.raises(CannotStart, match="cannot listen on"):
            bound(path)
    assert executor.path.exists() and (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("answer", [b"", b"\xff\xff\xff\xff", framed(b"{}"), framed(b'{"stdout": 1}'), framed(b"[")])
async def test_an_executor_that_talks_nonsense_is_no_answer(tmp_path: Path, answer: bytes):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_unix_server(talk, tmp_path / "odd.sock")
    async with server:
        programs = RemotePrograms(str(tmp_path / "odd.sock"), Limits())
        assert (await programs.run("print(1)")).reason == "refused"
        assert (await programs.test("def f(): pass", ["f()", "f()"])).passed == (False, False)


async def test_verdicts_of_another_number_are_none(tmp_path: Path):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4)
        writer.write(framed(b'{"passed": [true, true, true], "reason": "ok", "seconds": 0.1, "detail": ""}'))
        writer.close()

    async with await asyncio.start_unix_server(talk, tmp_path / "odd.sock"):
        programs = RemotePrograms(str(tmp_path / "odd.sock"), Limits())
        assert (await programs.test("def f(): pass", ["f()"])).passed == (False,)


async def test_an_executor_that_says_nothing_is_not_waited_for(tmp_path: Path):
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(hold, tmp_path / "deaf.sock"):
        programs = RemotePrograms(str(tmp_path / "deaf.sock"), Limits(wall=0.2), patience=0.2)
        began = time.perf_counter()
        assert (await programs.run("print(1)")).reason == "refused"
        assert time.perf_counter() - began < 1


def test_a_wrong_flag_is_one_line():
    command = [sys.executable, "-m", "cogitate.server.sandbox.executor", "--socket", "/nowhere/x", "--code-exec", "off"]
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.returncode == 2 and "invalid choice" in told.stderr
