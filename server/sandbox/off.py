"""The Programs port where the operator runs none."""

from collections.abc import Sequence

from strategies.programs import ProgramsOff, Ran, Tested

WHY = "this server runs no programs: it was started with --code-exec off"


class NoPrograms:
    async def run(self, source: str, *, stdin: str = "") -> Ran:
        raise ProgramsOff(WHY)

    async def test(self, source: str, tests: Sequence[str]) -> Tested:
        raise ProgramsOff(WHY)
