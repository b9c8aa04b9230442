"""One sandboxed process as the server sees it: its pipes, and an end that is certain."""

import asyncio
import marshal  # noqa: TID251 only writes, for the sandboxed process to read
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from cogitate.server.sandbox import interpreter
from cogitate.server.sandbox.backend import SandboxBackend
from cogitate.server.sandbox.limits import Limits

EXIT_TIMEOUT_SECONDS = 1.0
"""For the kernel to end a process after SIGKILL."""
PROCESS_ENDED = (BrokenPipeError, ConnectionResetError)
"""Raised by writing to a process that has ended."""
Role = Literal["program", "candidate", "judge"]


class ProcessLost(Exception):
    """The process has ended, or sent a message that is too long."""


@dataclass(frozen=True, slots=True)
class SandboxProcess:
    """A process with pipes; messages on them are framed by their length, as in guest/frames.py."""

    process: Process
    pidfd: int | None
    """Refers to this process also after its pid is reused; None where it ended at once."""

    @property
    def stdin(self) -> asyncio.StreamWriter:
        assert self.process.stdin is not None
        return self.process.stdin

    @property
    def stdout(self) -> asyncio.StreamReader:
        assert self.process.stdout is not None
        return self.process.stdout

    async def receive(self, max_bytes: int) -> bytes:
        """Read one message. Raises ProcessLost."""
        try:
            size = int.from_bytes(await self.stdout.readexactly(4), "big")
            if size > max_bytes:
                raise ProcessLost
            return await self.stdout.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            raise ProcessLost from None

    async def send(self, message: bytes) -> None:
        """Write one message. Raises ProcessLost."""
        try:
            await self.write(len(message).to_bytes(4, "big") + message)
        except PROCESS_ENDED:
            raise ProcessLost from None

    async def write(self, data: bytes) -> None:
        """Write to stdin. Raises one of PROCESS_ENDED."""
        if self.stdin.is_closing():  # uvloop's transports raise RuntimeError, asyncio's nothing
            raise BrokenPipeError
        self.stdin.write(data)
        await self.stdin.drain()

    async def close_stdin(self) -> None:
        """Close stdin: the process reads end of file."""
        self.stdin.close()
        # uvloop's pipes are bidirectional: a process that writes into its own stdin breaks ours, and uvloop raises
        # TypeError.
        with suppress(*PROCESS_ENDED, TypeError):
            await self.stdin.wait_closed()

    def kill(self) -> None:
        """Send SIGKILL to the process and its group."""
        # Not Process.kill: it reaps a process that has ended, and asyncio's child watcher then misses its exit status.
        if self.pidfd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
                # A child that bubblewrap has just forked does not die with it yet, but is in its process group.
                os.killpg(self.process.pid, signal.SIGKILL)

    async def wait_for_exit(self) -> None:
        """Wait, after a kill, until the process is reaped and its pipes are closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(EXIT_TIMEOUT_SECONDS):
                for pipe in (self.process.stdout, self.process.stderr):
                    while pipe is not None and await pipe.read(1 << 16):
                        pass
                await self.close_stdin()
                await self.process.wait()


@asynccontextmanager
async def open_process(
    backend: SandboxBackend, slot: int, limits: Limits, role: Role, job: dict[str, Any]
) -> AsyncIterator[SandboxProcess]:
    """Start a process, sends it its job, and kill it when the block is left.

    `role`: the module of guest/ to run, and `job` the argument of its `main`. Raises OSError where the system cannot
    start a process.
    """
    # Cancelling a start half-way would leave its pipes open: the start is completed, and the process then ended.
    starting = asyncio.ensure_future(_start(backend, slot, limits, role))
    try:
        process, confinement = await asyncio.shield(starting)
        modules = interpreter.modules(main=role, landlock=confinement["landlock"] is not None)
        message: Any = (modules, confinement, f"{interpreter.GUEST_PACKAGE}.{role}", job)
        if await process.stdout.read(1):
            with suppress(ProcessLost):
                await process.send(marshal.dumps(message, 2))
        yield process
    finally:
        await _run_to_end(_end(starting))


async def _start(
    backend: SandboxBackend, slot: int, limits: Limits, role: Role
) -> tuple[SandboxProcess, Mapping[str, Any]]:
    with backend.prepare(slot, limits) as spec:
        process = await asyncio.create_subprocess_exec(
            *spec.command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE if role == "program" else DEVNULL,
            env=interpreter.ENVIRONMENT,
            cwd="/",
            pass_fds=spec.descriptors,
            start_new_session=True,
        )
    try:
        pidfd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        pidfd = None
    return SandboxProcess(process, pidfd), spec.confinement


async def _end(starting: asyncio.Future[tuple[SandboxProcess, Mapping[str, Any]]]) -> None:
    with suppress(OSError):
        process, _ = await starting
        process.kill()
        await process.wait_for_exit()
        if process.pidfd is not None:
            os.close(process.pidfd)


async def _run_to_end(work: Coroutine[object, object, None]) -> None:
    """Run short work to its end also where the caller is cancelled meanwhile; then raise the CancelledError."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
