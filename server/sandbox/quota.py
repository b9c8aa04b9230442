"""The limit of runs per request."""

from collections.abc import Sequence
from dataclasses import dataclass

from cogitate.strategies.core.programs import ProgramResult, Programs, UnitTestResult

EXHAUSTED = "the request has used all the program runs that one request may have"


@dataclass(slots=True)
class RunQuota:
    """The Programs port for one request: passes on `remaining` runs, and refuses further ones.

    Testing a candidate counts as one run.
    """

    programs: Programs
    remaining: int

    async def run(self, source: str, *, stdin: str = "") -> ProgramResult:
        """See Programs."""
        if self._take():
            return await self.programs.run(source, stdin=stdin)
        return ProgramResult("", "refused", 0.0, EXHAUSTED)

    async def test(self, source: str, tests: Sequence[str], *, call_seconds: float | None = None) -> UnitTestResult:
        """See Programs."""
        if self._take():
            return await self.programs.test(source, tests, call_seconds=call_seconds)
        return UnitTestResult((False,) * len(tests), "refused", 0.0, EXHAUSTED)

    def _take(self) -> bool:
        self.remaining -= 1
        return self.remaining >= 0
