"""A model in place of a server: one is started for it on a free port of this machine, and is gone when the run is.

It is `cogitate serve` in a process of its own, so that asking takes no time from answering. What else it is told comes
from the environment, such as COGITATE_ENGINE_ARGS.
"""

import asyncio
import ctypes
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TextIO

from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.strategies.core.concurrency import group

# -P: a folder called server, where the command is run, is not ours.
COMMAND = (sys.executable, "-P", "-m", "cogitate.server", "serve")
READY = re.compile(r"ready: (?P<name>.*) on (?P<url>http://\S+)/v1")
GREETED = "Stop: Ctrl-C"
PATIENCE = 60.0
"""Seconds that it has to end by itself."""
PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class NotServed(CannotEvaluate):
    """Why no server came of it: its own last words."""


@asynccontextmanager
async def served(model: str, to: TextIO, command: Sequence[str] = COMMAND) -> AsyncIterator[str]:
    """The URL of a server of this model, "" the demo model, once it is ready; `to` is told how far it is.

    Raises NotServed.
    """
    wanted = (model,) if model else ()
    child = await asyncio.create_subprocess_exec(
        *command, *wanted, "--host", "127.0.0.1", "--port", "0", stdout=PIPE, stderr=STDOUT, preexec_fn=_mortal
    )
    try:
        url = await _ready(child, to)
        async with group() as tasks_of:
            words = tasks_of.create_task(_passed_on(child, to))
            yield url
            words.cancel()
    finally:
        await _ended(child)


def _mortal() -> None:
    """In the child: it is told to end when this process ends, in whatever way."""
    _libc.prctl(PDEATHSIG, signal.SIGTERM, 0, 0, 0)


async def _ready(child: Process, to: TextIO) -> str:
    said = "it said nothing"
    async for line in _lines(child):
        if ready := READY.search(line):
            to.write(f"serving {ready['name']} on {ready['url']}\n")
            to.flush()
            return ready["url"]
        said = line
        if not line.startswith("cogitate: "):
            to.write(f"{line}\n")
            to.flush()
    raise NotServed(f"the model is not served: {said.removeprefix('cogitate: ')}")


async def _passed_on(child: Process, to: TextIO) -> None:
    """What it says once it has greeted whoever would use it by hand."""
    greeted = False
    async for line in _lines(child):
        if greeted:
            to.write(f"{line}\n")
        greeted = greeted or GREETED in line


async def _lines(child: Process) -> AsyncIterator[str]:
    assert child.stdout
    async for line in child.stdout:
        if text := line.decode(errors="replace").strip():
            yield text


async def _ended(child: Process) -> None:
    if child.returncode is None:
        child.terminate()
    try:
        async with asyncio.timeout(PATIENCE):
            await child.communicate()
    except TimeoutError:
        child.kill()
        await child.communicate()
