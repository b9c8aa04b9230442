"""Programs that a model wrote, run where they can do no harm: the port that strategies and verifiers use."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Reason = Literal["ok", "error", "timeout", "memory", "output", "refused"]
"""How a run ended. `error`: it failed by itself; `output`: it said too much; `refused`: it was never started."""

PROGRAMS_OFF = "this server runs no programs: it was started with --code-exec off"


class ProgramsOff(Exception):
    """The operator runs no programs."""


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """One program's end. What it said is cut at the sandbox's limit, and as hostile as the program."""

    stdout: str
    reason: Reason
    seconds: float
    stderr: str = ""
    """Its traceback, or why it was refused."""

    @property
    def ok(self) -> bool:
        return self.reason == "ok"


@dataclass(frozen=True, slots=True)
class UnitTestResult:
    """One verdict per test, in order: True only where the test was seen to pass."""

    passed: tuple[bool, ...]
    reason: Reason
    """`ok` when every test got to its own end, whatever its verdict."""
    seconds: float
    detail: str = ""
    """Why it was refused."""


class Programs(Protocol):
    """Cancelling a caller kills what runs for it at once. Raises ProgramsOff where nothing may run."""

    async def run(self, source: str, *, stdin: str = "") -> ProgramResult:
        """Run one Python program to its end."""

    async def test(self, source: str, tests: Sequence[str]) -> UnitTestResult:
        """Call the functions of `source` from tests that its process never sees.

        A test is Python statements; it passes when it ends without an exception after an answer from the candidate.
        Names that it does not define are the candidate's functions. They take and return plain values only: None,
        bool, int, finite float, str, bytes, list, tuple, set and dict, always copies.
        """


class NoPrograms:
    """Where the operator runs none."""

    async def run(self, source: str, *, stdin: str = "") -> ProgramResult:
        raise ProgramsOff(PROGRAMS_OFF)

    async def test(self, source: str, tests: Sequence[str]) -> UnitTestResult:
        raise ProgramsOff(PROGRAMS_OFF)
