"""Runs one program: writes its stdin, reads its output and ends it in time."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field

from cogitate.server.sandbox.backend import SandboxBackend
from cogitate.server.sandbox.guest.program import OUT_OF_MEMORY
from cogitate.server.sandbox.limits import Limits
from cogitate.server.sandbox.process import PROCESS_ENDED, SandboxProcess, open_process
from cogitate.strategies.core.programs import ProgramResult, Reason

KILLED, CPU_EXCEEDED = 128 + 9, 128 + 24
"""Exit statuses after SIGKILL and SIGXCPU, with which the kernel ends a process at its limit of processor time."""


@dataclass(slots=True)
class Output:
    """What a program has printed, truncated where stdout and stderr together exceed the limit."""

    max_bytes: int
    streams: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))
    """stdout and stderr."""
    exceeded: bool = False

    def add(self, stream: int, chunk: bytes) -> None:
        room = self.max_bytes - sum(map(len, self.streams))
        self.streams[stream].extend(chunk[:room])
        self.exceeded |= len(chunk) > room

    def text(self, stream: int) -> str:
        return self.streams[stream].decode(errors="replace")


async def run_program(backend: SandboxBackend, slot: int, limits: Limits, source: str, stdin: bytes) -> ProgramResult:
    """Run a program to its end or its limits. Raises OSError where the system cannot start a process."""
    began = time.perf_counter()
    output = Output(limits.output)
    reason: Reason = "timeout"
    with suppress(TimeoutError):
        async with (
            asyncio.timeout(limits.wall),
            open_process(backend, slot, limits, "program", {"source": source}) as process,
        ):
            status = await _wait_for_exit(process, stdin, output)
            reason = _reason(status, time.perf_counter() - began, limits)
    if output.exceeded:
        reason = "output"
    return ProgramResult(output.text(0), reason, time.perf_counter() - began, output.text(1))


async def _wait_for_exit(process: SandboxProcess, stdin: bytes, output: Output) -> int:
    """Return the exit status as a shell reports it: 128 + the signal's number after a signal."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_write_stdin(process, stdin))
        group.create_task(_read_output(process, process.process.stdout, output, 0))
        group.create_task(_read_output(process, process.process.stderr, output, 1))
    status = await process.process.wait()
    return status if status >= 0 else 128 - status


async def _write_stdin(process: SandboxProcess, stdin: bytes) -> None:
    with suppress(*PROCESS_ENDED):
        await process.write(stdin)
    await process.close_stdin()


async def _read_output(process: SandboxProcess, pipe: asyncio.StreamReader | None, output: Output, stream: int) -> None:
    assert pipe is not None
    while chunk := await pipe.read(1 << 16):
        output.add(stream, chunk)
        if output.exceeded:
            process.kill()
            return


def _reason(status: int, seconds: float, limits: Limits) -> Reason:
    if status in (KILLED, CPU_EXCEEDED) and seconds > 0.9 * limits.cpu:
        return "timeout"
    return {0: "ok", OUT_OF_MEMORY: "memory"}.get(status, "error")  # type: ignore[return-value]
