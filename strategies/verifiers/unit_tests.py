"""The client's own tests, run in the sandbox against a solution's program. The score is the share that passed.

The verdicts are the sandbox's, which runs tests and program in processes of their own: nothing that a program does to
its own process makes a test pass. A solution without a program passes none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from strategies.concurrency import beside
from strategies.ports import Ask, Verdict
from strategies.programs import Programs
from strategies.shown import reply
from strategies.types import Completion, Prompt
from strategies.values import program_in
from strategies.verifiers.traits import Alone


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
