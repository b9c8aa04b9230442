"""Escapes tried at start-up: a sandbox that lets one through, or that runs nothing, is not opened."""

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
from cogitate.strategies.core.programs import Programs, Ran


@dataclass(frozen=True, slots=True)
class Bait:
    """What a program would find if it got out."""

    pid: int
    """This process."""
    file: str
    """A file that anyone may read, in a folder that anyone may write to."""
    port: int
    """A TCP listener on the loopback address."""
    unix: str
    """A Unix socket's path, that anyone may write to."""
    abstract: str
    """Its like in the abstract namespace, without the leading NUL."""


@contextmanager
def bait() -> Iterator[Bait]:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=cleanup.prefix()))
        os.chmod(folder, 0o777)
        with open(file := f"{folder}/file", "w") as bird:
            bird.write("canary")
        os.chmod(file, 0o644)
        listener, unix, abstract = (
            stack.enter_context(socket.socket(family)) for family in (socket.AF_INET, socket.AF_UNIX, socket.AF_UNIX)
        )
        listener.bind(("127.0.0.1", 0))
        unix.bind(path := f"{folder}/socket")
        os.chmod(path, 0o666)
        abstract.bind(f"\0{path}")
        for door in (listener, unix, abstract):
            door.listen()
        yield Bait(os.getpid(), file, listener.getsockname()[1], path, path)


async def prove(programs: Programs, how: str) -> None:
    """Raises CannotStart, with the first reason."""
    try:
        await _prove(programs, how)
    except OSError as error:
        raise CannotStart(f"--code-exec {how} cannot be tried out: {error.strerror or error}") from error


async def _prove(programs: Programs, how: str) -> None:
    with bait() as laid:
        async with asyncio.TaskGroup() as group:
            control = group.create_task(programs.run("print(sum(map(int, input().split())))", stdin="20 22"))
            escape = group.create_task(programs.run(escapes(laid)))
            trial = group.create_task(programs.test("def double(x): return 2 * x", ["assert double(21) == 42"]))
    if control.result().stdout != "42\n":
        raise CannotStart(f"--code-exec {how} runs no program: {_said(control.result())}")
    if trial.result().passed != (True,):
        raise CannotStart(f"--code-exec {how} tests no program: it ended with {trial.result().reason}")
    if escape.result().stdout != "none\n":
        raise CannotStart(
            f"--code-exec {how} does not hold: {escape.result().stdout.strip() or _said(escape.result())}"
        )


def _said(ran: Ran) -> str:
    lines = [line for line in (ran.stderr or ran.stdout).splitlines() if line.strip()]
    return lines[-1] if lines else f"it ended with {ran.reason} and said nothing"


def escapes(laid: Bait) -> str:
    """The program that tries: it prints the names of the escapes that succeed, or `none`."""
    return f"BAIT = {json.dumps(asdict(laid))}\n{_attempts()}"


@cache
def _attempts() -> str:
    return files("cogitate.server.sandbox").joinpath("selftest_probes.py").read_text()
