"""Runs programs for another process.

    python -m cogitate.server.sandbox.executor --socket PATH --code-exec bwrap|landlock

It needs no network, no secret, no right and no folder to write to but the socket's. Who may write to the socket may run
programs; it is made for its owner and its group.
"""

import argparse
import asyncio
import logging
import os
import signal
import socket
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from cogitate.server.engine import CannotStart
from cogitate.server.sandbox import opened
from cogitate.server.sandbox.limits import Limits
from cogitate.server.sandbox.rpc import RAN, REQUEST, TESTED, BadMessage, Run, receive, send
from cogitate.strategies.core.programs import Programs

PATIENCE = 5.0
"""Seconds that a client may take to send its request, or to take its answer."""
CONNECTIONS = 256
_log = logging.getLogger("cogitate.sandbox")


class Executor:
    """Answers each connection; at most CONNECTIONS at a time, the others are hung up on."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self._live: set[asyncio.Task[None]] = set()
        self._runs: set[asyncio.Task[bytes]] = set()
        """Some are no longer anybody's: their client has left, and they are just ending."""
        self._ending = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._live.add(task)
        try:
            if len(self._live) <= CONNECTIONS and not self._ending:
                await self._answer(reader, writer)
        except (BadMessage, ValidationError, TimeoutError, OSError) as error:
            _log.warning("a client was hung up on: %s", type(error).__name__)
        finally:
            self._live.discard(task)
            writer.close()

    async def end(self) -> None:
        """Ends what runs, and waits for it. Left to asyncio.run, which cancels every task there is, a process that is
        just being started would be forgotten, or waited for without end."""
        self._ending = True
        for task in self._live:
            task.cancel()
        while left := self._live | self._runs:
            await asyncio.wait(left)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(PATIENCE):
            request = await receive(reader)
        run = asyncio.create_task(self._done(request))
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)
        left = asyncio.ensure_future(_left(reader))
        try:
            await asyncio.wait([run, left], return_when=asyncio.FIRST_COMPLETED)
            if run.done():
                async with asyncio.timeout(PATIENCE):
                    await send(writer, run.result())
        finally:
            run.cancel()
            left.cancel()
            await asyncio.wait([run, left])

    async def _done(self, request: bytes) -> bytes:
        match REQUEST.validate_json(request, strict=True):
            case Run(source, stdin):
                return RAN.dump_json(await self._programs.run(source, stdin=stdin))
            case wanted:
                return TESTED.dump_json(await self._programs.test(wanted.source, wanted.tests))


async def _left(reader: asyncio.StreamReader) -> None:
    """Returns when the client hangs up, or speaks out of turn."""
    with suppress(ConnectionError):
        await reader.read(1)


def bound(path: Path) -> socket.socket:
    """A socket at this path, its owner's and its group's. Takes the place of one that nobody listens on.

    Raises CannotStart.
    """
    listener = socket.socket(socket.AF_UNIX)
    try:
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode) and not _answers(path):
            path.unlink()
        before = os.umask(0o117)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
    except OSError as error:
        listener.close()
        raise CannotStart(f"cannot listen on {path}: {error.strerror or error}") from None
    return listener


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
    return True


async def executed(path: Path, how: str) -> None:
    """Serve until SIGTERM or SIGINT. Raises CannotStart."""
    executor = Executor(await opened(how, Limits()))
    server = await asyncio.start_unix_server(executor.serve, sock=bound(path))
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    sys.stderr.write(f"cogitate: programs are run in {how}, for who asks at {path}\n")
    async with server:
        await end.wait()
        server.close()
        await executor.end()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m cogitate.server.sandbox.executor", description=__doc__)
    parser.add_argument("--socket", type=Path, required=True, help="where to listen")
    parser.add_argument("--code-exec", choices=["bwrap", "landlock"], required=True, help="what holds the programs")
    given = parser.parse_args(arguments)
    try:
        asyncio.run(executed(given.socket, given.code_exec))
        given.socket.unlink(missing_ok=True)
    except CannotStart as error:
        sys.stderr.write(f"cogitate: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
