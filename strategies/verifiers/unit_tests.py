"""The client's own tests, run in the sandbox against a solution's program. The score is the share that passed.

The verdicts are the sandbox's, which runs tests and program in processes of their own: nothing that a program does to
its own process makes a test pass. A solution without a program passes none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cogitate.strategies.core.concurrency import beside
from cogitate.strategies.core.ports import Ask, Verdict
from cogitate.strategies.core.program_value import program_in
from cogitate.strategies.core.programs import Programs
from cogitate.strategies.core.quoting import reply
from cogitate.strategies.core.types import Completion, Prompt
from cogitate.strategies.verifiers.defaults import Alone


@dataclass(frozen=True, slots=True)
class UnitTests(Alone):
    programs: Programs
    tests: tuple[str, ...]

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        return [Verdict((score,)) for score in await beside([self._tested(solution) for solution in solutions])]

    async def _tested(self, solution: Completion) -> float:
        source = program_in(reply(solution))
        if source is None:
            return 0.0
        tested = await self.programs.test(source, self.tests)
        return sum(tested.passed) / len(self.tests)
