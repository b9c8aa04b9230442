"""A Programs port without a sandbox, for the tests' own harmless programs."""

import asyncio
import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field

from cogitate.strategies.core.programs import ProgramResult, UnitTestResult


@dataclass(slots=True)
class InProcessPrograms:
    """Runs programs in this process after `pace` seconds, and records their sources."""

    ran: list[str] = field(default_factory=list)
    pace: float = 0.0
    refuses: tuple[str, ...] = ()
    """Sources that are not run, as by a sandbox without a process to spare."""

    async def run(self, source: str, *, stdin: str = "") -> ProgramResult:
        self.ran.append(source)
        await asyncio.sleep(self.pace)
        stdout = io.StringIO()
        try:
            with redirect_stdout(stdout):
                exec(source, {})
        except Exception as error:  # noqa: BLE001 whatever the program does
            return ProgramResult(stdout.getvalue(), "error", 0.0, str(error))
        return ProgramResult(stdout.getvalue(), "ok", 0.0)

    async def test(self, source: str, tests: Sequence[str], *, call_seconds: float | None = None) -> UnitTestResult:
        if source.strip() in self.refuses:
            return UnitTestResult((False,) * len(tests), "refused", 0.0, "no process")
        passed = [(await self.run(f"{source}\n{test}")).ok for test in tests]
        return UnitTestResult(tuple(passed), "ok", 0.0)
