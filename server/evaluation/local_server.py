"""The server of a run: one that is running already, or one that is started for the run with --model.

The latter is `cogitate serve` in a process of its own on a free port, so that evaluating takes no time from serving. It
reads its other settings from the environment, such as COGITATE_ENGINE_ARGS, and ends with the run.
"""

import argparse
import asyncio
import ctypes
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TextIO

from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.server.evaluation.flags import read_api_key
from cogitate.strategies.core.concurrency import task_group

# -P: Python must not import from a folder called `server` in the working directory.
COMMAND = (sys.executable, "-P", "-m", "cogitate.server", "serve")
READY_LINE = re.compile(r"ready: (?P<name>.*) on (?P<url>http://\S+)/v1")
LAST_GREETING_LINE = "Stop: Ctrl-C"
STOP_TIMEOUT_SECONDS = 60.0
"""From SIGTERM to SIGKILL."""
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class ModelNotServed(CannotEvaluate):
    """The server ended before it was ready. The message is its last line of output."""


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where and how to reach a server."""

    url: str
    key: str | None = None
    model: str | None = None
    """The model's name at the server; None: the first that it lists."""


@asynccontextmanager
async def open_server(args: argparse.Namespace) -> AsyncIterator[ServerAddress | None]:
    """Yield the server that the flags choose; None where a bank is replayed without one. Raises ModelNotServed."""
    key = read_api_key(args.api_key_file)
    if args.server:
        yield ServerAddress(args.server, key, args.model or None)
    elif args.model is not None:
        async with serve_model(args.model, sys.stderr) as url:
            yield ServerAddress(url, key)
    else:
        yield None


@asynccontextmanager
async def serve_model(model: str, output: TextIO, command: Sequence[str] = COMMAND) -> AsyncIterator[str]:
    """Start a server and yield its URL once it is ready; leaving the block stops it.

    `model`: "" for the demo model. `output` receives the server's log, without its greeting. Raises ModelNotServed.
    """
    positional = (model,) if model else ()
    process = await asyncio.create_subprocess_exec(
        *command,
        *positional,
        *("--host", "127.0.0.1", "--port", "0"),
        stdout=PIPE,
        stderr=STDOUT,
        preexec_fn=_die_with_parent,
    )
    try:
        url = await _wait_until_ready(process, output)
        async with task_group() as tasks:
            forwarding = tasks.create_task(_forward_output(process, output))
            yield url
            forwarding.cancel()
    finally:
        await _stop(process)


def _die_with_parent() -> None:
    """Run in the child: the kernel sends it SIGTERM when this process ends, also where that is killed."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


async def _wait_until_ready(process: Process, output: TextIO) -> str:
    last = "no output"
    async with aclosing(_read_lines(process)) as lines:
        async for line in lines:
            if ready := READY_LINE.search(line):
                output.write(f"serving {ready['name']} on {ready['url']}\n")
                output.flush()
                return ready["url"]
            last = line
            if not line.startswith("cogitate: "):
                output.write(f"{line}\n")
                output.flush()
    raise ModelNotServed(f"the model is not served: {last.removeprefix('cogitate: ')}")


async def _forward_output(process: Process, output: TextIO) -> None:
    """Copy the log that follows the greeting, which is for people who use the server by hand."""
    greeted = False
    async with aclosing(_read_lines(process)) as lines:
        async for line in lines:
            if greeted:
                output.write(f"{line}\n")
            greeted = greeted or LAST_GREETING_LINE in line


async def _read_lines(process: Process) -> AsyncGenerator[str]:
    assert process.stdout
    async for line in process.stdout:
        if text := line.decode(errors="replace").strip():
            yield text


async def _stop(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
            await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()
