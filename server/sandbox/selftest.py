"""The self-test at start-up: a sandbox from which an escape succeeds, or that cannot run a program, is not opened."""

import asyncio
import json
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files

from cogitate.server.engine import CannotStart
from cogitate.server.sandbox import cleanup
from cogitate.strategies.core.programs import ProgramResult, Programs


@dataclass(frozen=True, slots=True)
class Targets:
    """What the escape attempts try to reach outside the sandbox."""

    pid: int
    """This process."""
    file: str
    """A file that all users may read, in a folder that all users may write to."""
    port: int
    """A TCP listener on the loopback address."""
    unix: str
    """Path of a Unix socket that all users may write to."""
    abstract: str
    """Name of a Unix socket in the abstract namespace, without the leading NUL."""


@contextmanager
def open_targets() -> Iterator[Targets]:
    """Make the targets, and remove them when the block is left."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=cleanup.folder_prefix()))
        os.chmod(folder, 0o777)
        with open(file := f"{folder}/file", "w") as canary:
            canary.write("canary")
        os.chmod(file, 0o644)
        tcp, unix, abstract = (
            stack.enter_context(socket.socket(family)) for family in (socket.AF_INET, socket.AF_UNIX, socket.AF_UNIX)
        )
        tcp.bind(("127.0.0.1", 0))
        unix.bind(path := f"{folder}/socket")
        os.chmod(path, 0o666)
        abstract.bind(f"\0{path}")
        for listener in (tcp, unix, abstract):
            listener.listen()
        yield Targets(os.getpid(), file, tcp.getsockname()[1], path, path)


async def run_selftest(programs: Programs, code_exec: str) -> None:
    """Raises CannotStart, with the first failure, where a program or a test does not work or an escape does."""
    try:
        await _run_selftest(programs, code_exec)
    except OSError as error:
        raise CannotStart(f"--code-exec {code_exec} cannot be tested: {error.strerror or error}") from error


async def _run_selftest(programs: Programs, code_exec: str) -> None:
    with open_targets() as targets:
        async with asyncio.TaskGroup() as group:
            control = group.create_task(programs.run("print(sum(map(int, input().split())))", stdin="20 22"))
            escape = group.create_task(programs.run(build_probe(targets)))
            test = group.create_task(programs.test("def double(x): return 2 * x", ["assert double(21) == 42"]))
    if control.result().stdout != "42\n":
        raise CannotStart(f"--code-exec {code_exec} runs no program: {_last_line(control.result())}")
    if test.result().passed != (True,):
        raise CannotStart(f"--code-exec {code_exec} tests no program: it ended with {test.result().reason}")
    if escape.result().stdout != "none\n":
        escapes = escape.result().stdout.strip() or _last_line(escape.result())
        raise CannotStart(f"--code-exec {code_exec} does not isolate programs: {escapes}")


def _last_line(result: ProgramResult) -> str:
    lines = [line for line in (result.stderr or result.stdout).splitlines() if line.strip()]
    return lines[-1] if lines else f"it ended with {result.reason} and printed nothing"


def build_probe(targets: Targets) -> str:
    """Build the program of escape attempts: it prints the names of those that succeed, or `none`."""
    return f"TARGETS = {json.dumps(asdict(targets))}\n{_attempts()}"


@cache
def _attempts() -> str:
    return files("cogitate.server.sandbox").joinpath("selftest_probes.py").read_text()
