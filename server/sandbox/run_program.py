"""One program's run: fed, listened to and ended in time."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field

from cogitate.server.sandbox.backend import Cage
from cogitate.server.sandbox.guest.program import OUT_OF_MEMORY
from cogitate.server.sandbox.limits import Limits
from cogitate.server.sandbox.process import LEFT, Child, child
from cogitate.strategies.core.programs import Ran, Reason

KILLED, TOO_BUSY = 128 + 9, 128 + 24
"""Exit statuses after SIGKILL and SIGXCPU, with which the kernel ends who has used its time."""


@dataclass(slots=True)
class Said:
    """What it printed, cut where the two streams together are too long."""

    most: int
    streams: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))
    too_much: bool = False

    def add(self, stream: int, piece: bytes) -> None:
        room = self.most - sum(map(len, self.streams))
        self.streams[stream].extend(piece[:room])
        self.too_much |= len(piece) > room

    def text(self, stream: int) -> str:
        return self.streams[stream].decode(errors="replace")


async def ran(cage: Cage, place: int, limits: Limits, source: str, stdin: bytes) -> Ran:
    """OSError when the system has no process to give."""
    began = time.perf_counter()
    said = Said(limits.output)
    reason: Reason = "timeout"
    with suppress(TimeoutError):
        async with asyncio.timeout(limits.wall), child(cage, place, limits, "program", {"source": source}) as running:
            status = await _lived(running, stdin, said)
            reason = _reason(status, time.perf_counter() - began, limits)
    if said.too_much:
        reason = "output"
    return Ran(said.text(0), reason, time.perf_counter() - began, said.text(1))


async def _lived(running: Child, stdin: bytes, said: Said) -> int:
    """Its exit status, as a shell would say it."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_feed(running, stdin))
        group.create_task(_listen(running, running.process.stdout, said, 0))
        group.create_task(_listen(running, running.process.stderr, said, 1))
    status = await running.process.wait()
    return status if status >= 0 else 128 - status


async def _feed(running: Child, stdin: bytes) -> None:
    with suppress(*LEFT):
        await running.write(stdin)
    await running.hang_up()


async def _listen(running: Child, stream: asyncio.StreamReader | None, said: Said, number: int) -> None:
    assert stream is not None
    while piece := await stream.read(1 << 16):
        said.add(number, piece)
        if said.too_much:
            running.kill()
            return


def _reason(status: int, seconds: float, limits: Limits) -> Reason:
    if status in (KILLED, TOO_BUSY) and seconds > 0.9 * limits.cpu:
        return "timeout"
    return {0: "ok", OUT_OF_MEMORY: "memory"}.get(status, "error")  # type: ignore[return-value]
