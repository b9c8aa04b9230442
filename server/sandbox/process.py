"""One sandboxed process as the server sees it: two or three pipes, and a certain end."""

import asyncio
import marshal
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from cogitate.server.sandbox import interpreter
from cogitate.server.sandbox.backend import Cage
from cogitate.server.sandbox.limits import Limits

GRACE = 1.0
"""Seconds that the kernel may take for the end of what was killed."""
LEFT = (BrokenPipeError, ConnectionResetError)
"""What writing to a process that has ended raises."""


class Lost(Exception):
    """It ended, or sent something longer than it may."""


@dataclass(frozen=True, slots=True)
class Child:
    process: Process
    handle: int | None
    """Its pidfd, which never comes to mean another process; None for one that ended at once."""

    @property
    def stdin(self) -> asyncio.StreamWriter:
        assert self.process.stdin is not None
        return self.process.stdin

    @property
    def stdout(self) -> asyncio.StreamReader:
        assert self.process.stdout is not None
        return self.process.stdout

    async def receive(self, most: int) -> bytes:
        """One message of at most so many bytes. Raises Lost."""
        try:
            size = int.from_bytes(await self.stdout.readexactly(4), "big")
            if size > most:
                raise Lost
            return await self.stdout.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            raise Lost from None

    async def send(self, message: bytes) -> None:
        """Raises Lost."""
        try:
            await self.write(len(message).to_bytes(4, "big") + message)
        except LEFT:
            raise Lost from None

    async def write(self, data: bytes) -> None:
        """Raises one of LEFT when it has ended."""
        if self.stdin.is_closing():  # uvloop's transports raise RuntimeError, asyncio's nothing
            raise BrokenPipeError
        self.stdin.write(data)
        await self.stdin.drain()

    async def hang_up(self) -> None:
        """The end of what it can read."""
        self.stdin.close()
        # uvloop's pipes go both ways: one who writes into its own stdin breaks ours, with a TypeError of uvloop's own.
        with suppress(*LEFT, TypeError):
            await self.stdin.wait_closed()

    def kill(self) -> None:
        # Not Process.kill, which reaps a process that has ended behind its watcher's back.
        if self.handle is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)
                # What bubblewrap has just begun does not die with it yet, but is of its group still.
                os.killpg(self.process.pid, signal.SIGKILL)

    async def gone(self) -> None:
        """Wait until the system has forgotten it, after a kill, and the pipes are closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                for pipe in (self.process.stdout, self.process.stderr):
                    while pipe is not None and await pipe.read(1 << 16):
                        pass
                await self.hang_up()
                await self.process.wait()


Role = Literal["program", "candidate", "judge"]


@asynccontextmanager
async def child(cage: Cage, place: int, limits: Limits, role: Role, job: dict[str, Any]) -> AsyncIterator[Child]:
    """One that has been told its job, and is killed on leaving. OSError when the system has no process to give."""
    # A start that is cancelled half-way would leave its pipes open: it is let go on, and then ended.
    starting = asyncio.ensure_future(_started(cage, place, limits, role))
    try:
        started, confinement = await asyncio.shield(starting)
        modules = interpreter.modules(main=role, landlock=confinement["landlock"] is not None)
        told: Any = (modules, confinement, f"{interpreter.INSIDE}.{role}", job)
        if await started.stdout.read(1):
            with suppress(Lost):
                await started.send(marshal.dumps(told, 2))
        yield started
    finally:
        await _certainly(_ended(starting))


async def _started(cage: Cage, place: int, limits: Limits, role: Role) -> tuple[Child, Mapping[str, Any]]:
    with cage.start(place, limits) as start:
        process = await asyncio.create_subprocess_exec(
            *start.command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE if role == "program" else DEVNULL,
            env=interpreter.ENVIRONMENT,
            cwd="/",
            pass_fds=start.descriptors,
            start_new_session=True,
        )
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        handle = None
    return Child(process, handle), start.confinement


async def _ended(starting: asyncio.Future[tuple[Child, Mapping[str, Any]]]) -> None:
    with suppress(OSError):
        started, _ = await starting
        started.kill()
        await started.gone()
        if started.handle is not None:
            os.close(started.handle)


async def _certainly(work: Coroutine[object, object, None]) -> None:
    """To its end, which is near, whoever is cancelled meanwhile; then the cancel goes on."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as again:
            cancelled = again
    if cancelled is not None:
        raise cancelled
