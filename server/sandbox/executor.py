"""Runs programs for a server in another process.

    python -m cogitate.server.sandbox.executor --socket PATH --code-exec bwrap|landlock

It needs no network, no secret, no privilege and no writable folder except the socket's. Everybody who can write to the
socket can run programs; it is writable for its owner and its group.
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
from cogitate.server.sandbox import open_programs
from cogitate.server.sandbox.limits import Limits
from cogitate.server.sandbox.rpc import (
    PROGRAM_RESULT,
    REQUEST,
    UNIT_TEST_RESULT,
    BadMessage,
    RunRequest,
    UnitTestRequest,
    receive,
    send,
)
from cogitate.strategies.core.programs import Programs

IO_TIMEOUT_SECONDS = 5.0
"""For a client to send its request, and again to read the result."""
MAX_CONNECTIONS = 256
_log = logging.getLogger("cogitate.sandbox")


class Executor:
    """Serves connections; beyond MAX_CONNECTIONS at a time they are closed."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self._connections: set[asyncio.Task[None]] = set()
        self._runs: set[asyncio.Task[bytes]] = set()
        """Includes cancelled runs whose client has disconnected, until their processes are gone."""
        self._ending = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: one request, one result."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if len(self._connections) <= MAX_CONNECTIONS and not self._ending:
                await self._respond(reader, writer)
        except (BadMessage, ValidationError, TimeoutError, OSError) as error:
            _log.warning("closed a client's connection: %s", type(error).__name__)
        finally:
            self._connections.discard(task)
            writer.close()

    async def shut_down(self) -> None:
        """Cancel all runs and wait until their processes are gone.

        asyncio.run would cancel every task at once, and lose or wait for ever for a process that is just being started.
        """
        self._ending = True
        for task in self._connections:
            task.cancel()
        while tasks := self._connections | self._runs:
            await asyncio.wait(tasks)

    async def _respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(IO_TIMEOUT_SECONDS):
            request = await receive(reader)
        run = asyncio.create_task(self._execute(request))
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)
        disconnect = asyncio.ensure_future(_wait_for_disconnect(reader))
        try:
            await asyncio.wait([run, disconnect], return_when=asyncio.FIRST_COMPLETED)
            if run.done():
                async with asyncio.timeout(IO_TIMEOUT_SECONDS):
                    await send(writer, run.result())
        finally:
            run.cancel()
            disconnect.cancel()
            await asyncio.wait([run, disconnect])

    async def _execute(self, message: bytes) -> bytes:
        match REQUEST.validate_json(message, strict=True):
            case RunRequest(source, stdin):
                return PROGRAM_RESULT.dump_json(await self._programs.run(source, stdin=stdin))
            case UnitTestRequest(source, tests, call_seconds):
                tested = await self._programs.test(source, tests, call_seconds=call_seconds)
                return UNIT_TEST_RESULT.dump_json(tested)


async def _wait_for_disconnect(reader: asyncio.StreamReader) -> None:
    """Return when the client disconnects, or send anything after its request."""
    with suppress(ConnectionError):
        await reader.read(1)


def bind_socket(path: Path) -> socket.socket:
    """Bind a socket for its owner and group at this path, and replace one that nobody listens on.

    Raises CannotStart.
    """
    listener = socket.socket(socket.AF_UNIX)
    try:
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode) and not _is_listening(path):
            path.unlink()
        umask = os.umask(0o117)
        try:
            listener.bind(str(path))
        finally:
            os.umask(umask)
    except OSError as error:
        listener.close()
        raise CannotStart(f"cannot listen on {path}: {error.strerror or error}") from None
    return listener


def _is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
    return True


async def run_executor(path: Path, code_exec: str) -> None:
    """Serve until SIGTERM or SIGINT. Raises CannotStart."""
    executor = Executor(await open_programs(code_exec, Limits()))
    server = await asyncio.start_unix_server(executor.serve, sock=bind_socket(path))
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    sys.stderr.write(f"cogitate: ready: running programs with {code_exec}, listening on {path}\n")
    async with server:
        await end.wait()
        server.close()
        await executor.shut_down()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of the executor."""
    parser = argparse.ArgumentParser(
        prog="python -m cogitate.server.sandbox.executor", description="Runs programs for a server in another process."
    )
    parser.add_argument("--socket", type=Path, required=True, help="path of the Unix socket to listen on")
    parser.add_argument("--code-exec", choices=["bwrap", "landlock"], required=True, help="sandbox for the programs")
    args = parser.parse_args(arguments)
    try:
        asyncio.run(run_executor(args.socket, args.code_exec))
        args.socket.unlink(missing_ok=True)
    except CannotStart as error:
        sys.stderr.write(f"cogitate: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
