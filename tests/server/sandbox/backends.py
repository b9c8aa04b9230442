"""Sandbox backends that this machine can run, and one without isolation, which shows that the attacks are real."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import psutil

from cogitate.server.engine import CannotStart
from cogitate.server.sandbox import Limits, interpreter, open_programs
from cogitate.server.sandbox.backend import LaunchSpec, build_confinement
from cogitate.server.sandbox.interpreter import OWNER_MARK

SHORT_LIMITS = Limits(wall=2.0, cpu=1)


class Unconfined:
    """A backend without isolation: the plain interpreter with limits only."""

    name = "bare"

    @contextmanager
    def prepare(self, slot: int, limits: Limits) -> Iterator[LaunchSpec]:
        yield LaunchSpec(interpreter.command(), build_confinement(limits))


@cache
def unavailable_reason(code_exec: str) -> str:
    """Return why this machine cannot run this backend; empty if it can."""
    try:
        asyncio.run(open_programs(code_exec, Limits()))
    except CannotStart as error:
        return str(error)
    return ""


def find_processes(owner: int | None = None) -> list[psutil.Process]:
    """Return all processes of a server's sandbox, including bubblewrap's own.

    `owner`: the server's pid; by default this process's.
    """
    mark = f"{OWNER_MARK}{owner or os.getpid()}\0".encode()
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError, psutil.NoSuchProcess):
            if command.read_bytes().endswith(mark):  # a zombie's is empty
                found.append(psutil.Process(int(command.parent.name)))
    return found


async def wait_until_none(seconds: float = 1.0, owner: int | None = None) -> bool:
    """Whether all sandboxed processes are gone within so many seconds."""
    for _ in range(int(seconds / 0.02)):
        if not find_processes(owner):
            return True
        await asyncio.sleep(0.02)
    return not find_processes(owner)


async def wait_for_processes(count: int, owner: int | None = None, seconds: float = 10.0) -> list[psutil.Process]:
    """Return the sandboxed processes as soon as there are `count` of them."""
    for _ in range(int(seconds / 0.01)):
        if len(found := find_processes(owner)) >= count:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("too few processes were started")
