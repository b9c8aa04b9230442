"""One request's share of a sandbox."""

from collections.abc import Sequence
from dataclasses import dataclass

from cogitate.strategies.core.programs import Programs, Ran, Tested

WHY = "this request has had all the runs that one request may have"


@dataclass(slots=True)
class Rationed:
    """Made anew for each request: lets `left` runs through, tests of a candidate among them, and refuses the rest."""

    programs: Programs
    left: int

    async def run(self, source: str, *, stdin: str = "") -> Ran:
        return await self.programs.run(source, stdin=stdin) if self._spent() else Ran("", "refused", 0.0, WHY)

    async def test(self, source: str, tests: Sequence[str]) -> Tested:
        if self._spent():
            return await self.programs.test(source, tests)
        return Tested((False,) * len(tests), "refused", 0.0, WHY)

    def _spent(self) -> bool:
        self.left -= 1
        return self.left >= 0
