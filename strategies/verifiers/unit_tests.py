"""Runs the client's tests against a solution's program in the sandbox. The score is the share of tests that pass.

The sandbox runs tests and program in separate processes: nothing that a program does to its own process makes a test
pass. A solution without a program passes no test; one that the sandbox refused to run has no verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cogitate.strategies.core.concurrency import run_all
from cogitate.strategies.core.ports import Ask, Verdict
from cogitate.strategies.core.program_source import extract_program
from cogitate.strategies.core.programs import Programs
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.quoting import final_text
from cogitate.strategies.core.types import Completion
from cogitate.strategies.verifiers.defaults import VerifierDefaults

NOT_RUN = "the sandbox refused to run a candidate's program; the candidate was not scored"


@dataclass(frozen=True, slots=True)
class UnitTests(VerifierDefaults):
    """Scores solutions by the client's own tests."""

    programs: Programs
    tests: tuple[str, ...]

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        return await run_all([self._test(solution) for solution in solutions])

    async def _test(self, solution: Completion) -> Verdict:
        source = extract_program(final_text(solution))
        if source is None:
            return Verdict((0.0,))
        result = await self.programs.test(source, self.tests)
        return Verdict((sum(result.passed) / len(self.tests),)) if result.ran else Verdict((), warnings=(NOT_RUN,))
