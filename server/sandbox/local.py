"""The Programs port over a cage on this machine."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from cogitate.server.sandbox.backend import Cage
from cogitate.server.sandbox.limits import Limits
from cogitate.server.sandbox.run_program import ran
from cogitate.server.sandbox.run_tests import tried
from cogitate.strategies.core.programs import Ran, Tested

MOST_AT_ONCE = 128


class LocalPrograms:
    """At most `limits.concurrency` runs at a time; the others wait their turn. It keeps nothing between runs."""

    def __init__(self, cage: Cage, limits: Limits) -> None:
        self._cage, self._limits = cage, limits
        seats = min(limits.concurrency, MOST_AT_ONCE)
        self._turn = asyncio.Semaphore(seats)
        self._free = list(range(seats))

    async def run(self, source: str, *, stdin: str = "") -> Ran:
        if why := refusal(self._limits, source, stdin):
            return Ran("", "refused", 0.0, why)
        async with self._seat() as seat:
            try:
                return await ran(self._cage, 2 * seat, self._limits, source, stdin.encode())
            except OSError as error:
                return Ran("", "refused", 0.0, f"the system has no process to give: {error.strerror}")

    async def test(self, source: str, tests: Sequence[str]) -> Tested:
        if why := refusal(self._limits, source, *tests):
            return Tested((False,) * len(tests), "refused", 0.0, why)
        async with self._seat() as seat:
            try:
                return await tried(self._cage, (2 * seat, 2 * seat + 1), self._limits, source, tests)
            except OSError as error:
                why = f"the system has no process to give: {error.strerror}"
                return Tested((False,) * len(tests), "refused", 0.0, why)

    @asynccontextmanager
    async def _seat(self) -> AsyncIterator[int]:
        async with self._turn:
            seat = self._free.pop()
            try:
                yield seat
            finally:
                self._free.append(seat)


def refusal(limits: Limits, source: str, *inputs: str) -> str:
    """Why this is not even started; empty if it is."""
    try:
        size, more = len(source.encode()), sum(len(text.encode()) for text in inputs)
    except UnicodeEncodeError:
        return "not Unicode text: it holds half a character"
    if size > limits.source:
        return f"a program of {size} bytes; at most {limits.source} are run"
    if more > limits.input:
        return f"{more} bytes of input or tests; at most {limits.input} are taken"
    return f"{len(inputs)} tests; at most {limits.tests} are taken" if len(inputs) > limits.tests else ""
