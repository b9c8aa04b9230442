"""The executor: another process runs the programs, and neither side trusts the other."""

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
from cogitate.server.sandbox import Limits, open_programs
from cogitate.server.sandbox.executor import bind_socket
from cogitate.server.sandbox.remote import RemotePrograms
from cogitate.server.sandbox.rpc import MAX_MESSAGE_BYTES
from cogitate.strategies.core.programs import Programs
from tests.server.sandbox.backends import unavailable_reason, wait_for_processes, wait_until_none


class Executor:
    """An executor in a process of its own, ready for requests."""

    def __init__(self, code_exec: str, path: Path) -> None:
        self.path = path
        command = [
            sys.executable,
            "-m",
            "cogitate.server.sandbox.executor",
            "--socket",
            str(path),
            "--code-exec",
            code_exec,
        ]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert "ready: running programs" in line, line

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        return self.process.poll() is None


@contextmanager
def executing(code_exec: str, path: Path) -> Iterator[Executor]:
    executor = Executor(code_exec, path)
    try:
        yield executor
    finally:
        executor.process.terminate()
        executor.process.communicate(timeout=10)


@pytest.fixture(scope="module", params=["bwrap", "landlock"])
def executor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    if why := unavailable_reason(request.param):
        pytest.skip(f"NOT TESTED IN {request.param}: {why}")
    with executing(request.param, tmp_path_factory.mktemp("executor") / "run.sock") as executor:
        yield executor


@pytest.fixture
def programs(executor: Executor) -> RemotePrograms:
    return RemotePrograms(str(executor.path), Limits())


async def test_remote_sandbox_runs_programs_and_tests(executor: Executor):
    programs = await open_programs(f"remote:{executor.path}", Limits())
    ran = await programs.run("print(input())", stdin="hällo")
    assert (ran.stdout, ran.reason) == ("hällo\n", "ok")
    tested = await programs.test("def f(x): return x", ["assert f(1) == 1", "assert f(1) == 2"])
    assert (tested.passed, tested.reason) == ((True, False), "ok")


async def test_remote_results_have_the_same_reasons(programs: Programs):
    assert (await programs.run("1 / 0")).reason == "error"
    assert (await programs.run("bytes(1 << 30)")).reason == "memory"
    assert (await programs.run("print('\\ud800')")).reason == "error"
    assert (await programs.run("print('x' * 99999)")).reason == "output"
    assert (await programs.run("'\ud800'")).reason == "refused"


async def test_disconnecting_kills_the_run(executor: Executor, programs: Programs):
    for call in (programs.run("while True: pass"), programs.test("while True: pass", ["f()"])):
        task = asyncio.create_task(call)
        await wait_for_processes(1, executor.pid)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await wait_until_none(0.5, executor.pid)
    assert executor.alive()


def exchange(path: Path, message: bytes, *, timeout: float = 8.0) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(timeout)
        client.connect(str(path))
        client.sendall(message)
        client.shutdown(socket.SHUT_WR)
        try:
            return client.recv(1 << 16)
        except ConnectionResetError:
            return b""


def frame(text: bytes) -> bytes:
    return len(text).to_bytes(4, "big") + text


@pytest.mark.parametrize(
    "message",
    [
        b"", b"\0", b"\0\0\0\5ab", b"\xff\xff\xff\xff", (MAX_MESSAGE_BYTES + 1).to_bytes(4, "big"), frame(b""),
        frame(b"{"), frame(b"[" * 100_000), frame(b"null"), frame(b'{"kind": "run"}'),
        frame(b'{"kind": "exec", "source": "1"}'),
        frame(b'{"kind": "run", "source": 1, "stdin": ""}'), frame(b'{"kind": "test", "source": "", "tests": [1]}'),
        frame(b'{"kind": "run", "source": "\\ud800", "stdin": ""}'), os.urandom(1000), b"GET / HTTP/1.1\r\n\r\n",
    ],
)  # fmt: skip
async def test_malformed_request_closes_the_connection(executor: Executor, programs: Programs, message: bytes):
    assert await asyncio.to_thread(exchange, executor.path, message) == b""
    assert executor.alive() and (await programs.run("print(1)")).ok


async def test_executor_enforces_its_own_limits(executor: Executor):
    permissive = RemotePrograms(str(executor.path), Limits(source=1 << 20))
    assert (await permissive.run("#" + "x" * (1 << 17))).reason == "refused"


async def test_concurrent_requests_get_their_own_results(programs: Programs):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(programs.run(f"print({n})")) for n in range(30)]
    assert [task.result().stdout for task in tasks] == [f"{n}\n" for n in range(30)]


def test_socket_is_accessible_to_owner_and_group_only(executor: Executor):
    assert stat.S_IMODE(executor.path.stat().st_mode) == 0o660


async def test_killed_executor_refuses_and_restarted_executor_runs(code_exec: str, tmp_path: Path):
    path = tmp_path / "run.sock"
    programs = RemotePrograms(str(path), Limits())
    with executing(code_exec, path) as executor:
        task = asyncio.create_task(programs.run("import time; time.sleep(60)"))
        await wait_for_processes(1, executor.pid)
        executor.process.send_signal(signal.SIGKILL)
        assert (await task).reason == "refused"
        assert await wait_until_none(1.0, executor.pid)
    assert (await programs.run("print(1)")).reason == "refused"
    with executing(code_exec, path):
        assert (await programs.run("print(1)")).ok
    assert not path.exists()


async def test_sigterm_ends_running_programs(code_exec: str, tmp_path: Path):
    with executing(code_exec, tmp_path / "run.sock") as executor:
        programs = RemotePrograms(str(executor.path), Limits())
        task = asyncio.create_task(programs.run("import time; time.sleep(60)"))
        await wait_for_processes(1, executor.pid)
        began = time.perf_counter()
        executor.process.send_signal(signal.SIGTERM)
        assert (await task).reason == "refused"
        assert time.perf_counter() - began < 2
        assert await wait_until_none(1.0, executor.pid)


async def end_as_runs_begin(code_exec: str, path: Path, delay: float) -> bool:
    """Whether SIGTERM ends an executor some of whose clients have just disconnected."""
    executor = Executor(code_exec, path)
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


@pytest.mark.fault("T43")
@pytest.mark.fault("T43")
@pytest.mark.faults
async def test_executor_ends_while_runs_begin(bar, code_exec: str, tmp_path: Path):
    ended = [await end_as_runs_begin(code_exec, tmp_path / f"{at}.sock", at * 0.004) for at in range(10)]
    what = f"{code_exec}: of {len(ended)} executors ended as runs begin and clients leave, those that end"
    bar(what, str(sum(ended)), "all", all(ended))


def test_existing_file_or_live_socket_is_not_replaced(executor: Executor, tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    for path in (executor.path, tmp_path / "file", tmp_path / "no" / "folder"):
        with pytest.raises(CannotStart, match="cannot listen on"):
            bind_socket(path)
    assert executor.path.exists() and (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("answer", [b"", b"\xff\xff\xff\xff", frame(b"{}"), frame(b'{"stdout": 1}'), frame(b"[")])
async def test_malformed_result_is_a_refusal(tmp_path: Path, answer: bytes):
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_unix_server(respond, tmp_path / "odd.sock")
    async with server:
        programs = RemotePrograms(str(tmp_path / "odd.sock"), Limits())
        assert (await programs.run("print(1)")).reason == "refused"
        assert (await programs.test("def f(): pass", ["f()", "f()"])).passed == (False, False)


async def test_wrong_number_of_verdicts_fails_all_tests(tmp_path: Path):
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4)
        writer.write(frame(b'{"passed": [true, true, true], "reason": "ok", "seconds": 0.1, "detail": ""}'))
        writer.close()

    async with await asyncio.start_unix_server(respond, tmp_path / "odd.sock"):
        programs = RemotePrograms(str(tmp_path / "odd.sock"), Limits())
        assert (await programs.test("def f(): pass", ["f()"])).passed == (False,)


async def test_silent_executor_times_out(tmp_path: Path):
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(hold, tmp_path / "silent.sock"):
        programs = RemotePrograms(str(tmp_path / "silent.sock"), Limits(wall=0.2), timeout=0.2)
        began = time.perf_counter()
        assert (await programs.run("print(1)")).reason == "refused"
        assert time.perf_counter() - began < 1


def test_wrong_flag_is_rejected():
    command = [sys.executable, "-m", "cogitate.server.sandbox.executor", "--socket", "/nowhere/x", "--code-exec", "off"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2 and "invalid choice" in result.stderr
