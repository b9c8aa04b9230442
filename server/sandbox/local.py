"""The Programs port with a sandbox on this machine."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from cogitate.server.sandbox.backend import SandboxBackend
from cogitate.server.sandbox.limits import Limits
from cogitate.server.sandbox.run_program import run_program
from cogitate.server.sandbox.run_tests import run_tests
from cogitate.strategies.core.programs import ProgramResult, UnitTestResult

MAX_CONCURRENCY = 128


class LocalPrograms:
    """Runs at most `limits.concurrency` programs at a time; further runs wait. Runs share no state."""

    def __init__(self, backend: SandboxBackend, limits: Limits) -> None:
        self._backend, self._limits = backend, limits
        slots = min(limits.concurrency, MAX_CONCURRENCY)
        self._available = asyncio.Semaphore(slots)
        self._free = list(range(slots))

    async def run(self, source: str, *, stdin: str = "") -> ProgramResult:
        """See Programs."""
        if violation := find_violation(self._limits, source, stdin):
            return ProgramResult("", "refused", 0.0, violation)
        async with self._slot() as slot:
            try:
                return await run_program(self._backend, 2 * slot, self._limits, source, stdin.encode())
            except OSError as error:
                return ProgramResult("", "refused", 0.0, _no_process(error))

    async def test(self, source: str, tests: Sequence[str], *, call_seconds: float | None = None) -> UnitTestResult:
        """See Programs."""
        if violation := find_violation(self._limits, source, *tests):
            return UnitTestResult((False,) * len(tests), "refused", 0.0, violation)
        async with self._slot() as slot:
            try:
                slots, job = (2 * slot, 2 * slot + 1), {"source": source, "call_seconds": call_seconds}
                return await run_tests(self._backend, slots, self._limits, job, tests)
            except OSError as error:
                return UnitTestResult((False,) * len(tests), "refused", 0.0, _no_process(error))

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[int]:
        async with self._available:
            slot = self._free.pop()
            try:
                yield slot
            finally:
                self._free.append(slot)


def _no_process(error: OSError) -> str:
    return f"the system cannot start a process: {error.strerror}"


def find_violation(limits: Limits, source: str, *inputs: str) -> str:
    """Return which limit the program or its inputs exceed, in words; empty where they exceed none."""
    try:
        size, input_size = len(source.encode()), sum(len(text.encode()) for text in inputs)
    except UnicodeEncodeError:
        return "not Unicode text: it contains a lone surrogate"
    if size > limits.source:
        return f"the program has {size} bytes; at most {limits.source} are allowed"
    if input_size > limits.input:
        return f"the input or tests have {input_size} bytes; at most {limits.input} are allowed"
    return f"there are {len(inputs)} tests; at most {limits.tests} are allowed" if len(inputs) > limits.tests else ""
