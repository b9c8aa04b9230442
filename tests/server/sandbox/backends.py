"""The backends that this machine can run, and one that holds nothing, to see that the attacks are real."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import psutil

from cogitate.server.engine import CannotStart
from cogitate.server.sandbox import Limits, interpreter, opened
from cogitate.server.sandbox.backend import Start, confinement
from cogitate.server.sandbox.interpreter import OWNER

QUICK = Limits(wall=2.0, cpu=1)


class Bare:
    """No isolation at all: the interpreter as it is, with limits alone."""

    name = "bare"

    @contextmanager
    def start(self, place: int, limits: Limits) -> Iterator[Start]:
        yield Start(interpreter.command(), confinement(limits))


@cache
def reason_not_to(how: str) -> str:
    """Why this machine cannot run this backend; empty if it can."""
    try:
        asyncio.run(opened(how, Limits()))
    except CannotStart as error:
        return str(error)
    return ""


def sandboxed(owner: int | None = None) -> list[psutil.Process]:
    """Every process of this server's sandbox, bubblewrap's own among them; by default of this process's."""
    mark = f"{OWNER}{owner or os.getpid()}\0".encode()
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError, psutil.NoSuchProcess):
            if command.read_bytes().endswith(mark):  # a zombie's is empty
                found.append(psutil.Process(int(command.parent.name)))
    return found


async def none_left(seconds: float = 1.0, owner: int | None = None) -> bool:
    """Whether all of them are gone within so many seconds."""
    for _ in range(int(seconds / 0.02)):
        if not sandboxed(owner):
            return True
        await asyncio.sleep(0.02)
    return not sandboxed(owner)


async def started(count: int, owner: int | None = None, seconds: float = 10.0) -> list[psutil.Process]:
    """As soon as there are so many of them."""
    for _ in range(int(seconds / 0.01)):
        if len(found := sandboxed(owner)) >= count:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("nothing was started")
