"""Tests one candidate in two sandboxed processes, judge and candidate; the server passes their messages on.

The judge sends calls and verdicts, the candidate answers. The candidate's messages are passed on unread.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from cogitate.server.sandbox.backend import SandboxBackend
from cogitate.server.sandbox.limits import Limits
from cogitate.server.sandbox.process import ProcessLost, SandboxProcess, open_process
from cogitate.strategies.core.programs import Reason, UnitTestResult

CANDIDATE_EXIT_SECONDS = 0.25
"""For a candidate to end once its input is closed."""


@dataclass(slots=True)
class UnitTestRun:
    """The state of one run: verdicts so far, and whether the candidate still answers."""

    limits: Limits
    verdicts: list[bool | None]
    """One per test; None: not decided yet."""
    candidate_lost: bool = field(default=False)

    async def relay(self, judge: SandboxProcess, candidate: SandboxProcess) -> None:
        """Pass messages on until every test has a verdict, or the judge is lost."""
        with suppress(ProcessLost):
            while None in self.verdicts:
                message = await judge.receive(2 * self.limits.input)
                if message.startswith(b"C"):
                    await judge.send(await self._call(candidate, message[1:]))
                else:
                    self._record(message[1:])
        if await _wrote_more(candidate):
            self.verdicts[:] = [False] * len(self.verdicts)

    async def _call(self, candidate: SandboxProcess, call: bytes) -> bytes:
        """Return the candidate's answer; empty from its first failure to answer on."""
        if not self.candidate_lost:
            try:
                await candidate.send(call)
                return await candidate.receive(self.limits.output)
            except ProcessLost:
                self.candidate_lost = True
        return b""

    def _record(self, message: bytes) -> None:
        """Record a verdict. The judge runs untrusted tests too: only a verdict on the next test is accepted.

        Raises ProcessLost.
        """
        try:
            verdict = json.loads(message)
        except (ValueError, RecursionError):
            raise ProcessLost from None
        if not (isinstance(verdict, dict) and verdict.get("test") == self.verdicts.index(None)):
            raise ProcessLost
        self.verdicts[self.verdicts.index(None)] = verdict.get("passed") is True


async def _wrote_more(candidate: SandboxProcess) -> bool:
    """Whether the candidate has written anything besides its answers."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CANDIDATE_EXIT_SECONDS):
            await candidate.close_stdin()
            return bool(await candidate.stdout.read(1))
    return False


async def run_tests(
    backend: SandboxBackend, slots: tuple[int, int], limits: Limits, job: dict[str, Any], tests: Sequence[str]
) -> UnitTestResult:
    """Test a candidate, by the job of guest/candidate.py. Raises OSError where the system cannot start a process."""
    began = time.perf_counter()
    run = UnitTestRun(limits, [None] * len(tests))
    reason: Reason = "timeout"
    with suppress(TimeoutError):
        async with (
            asyncio.timeout(limits.wall),
            open_process(backend, slots[0], limits, "candidate", job) as candidate,
            open_process(backend, slots[1], limits, "judge", {"tests": list(tests)}) as judge,
        ):
            await run.relay(judge, candidate)
            reason = "error" if run.candidate_lost or None in run.verdicts else "ok"
    return UnitTestResult(tuple(verdict is True for verdict in run.verdicts), reason, time.perf_counter() - began)
