"""The port for running programs that a model wrote, in a sandbox."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Reason = Literal["ok", "error", "timeout", "memory", "output", "refused"]
"""How a run ended. `error`: the program failed; `output`: it printed too much; `refused`: it was never started."""

PROGRAMS_OFF = "programs are disabled: start the server with --code-exec"


class ProgramsOff(Exception):
    """The operator has disabled programs."""


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """The end of one program. Its output is cut at the sandbox's limit, and as untrusted as the program."""

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
    """The verdicts of unit tests on one program."""

    passed: tuple[bool, ...]
    """One verdict per test, in order: True only where the test was observed to pass."""
    reason: Reason
    """`ok` where every test ran to its end, whatever its verdict."""
    seconds: float
    detail: str = ""
    """Why it was refused."""

    @property
    def ran(self) -> bool:
        """Whether the sandbox started it; otherwise `passed` is no verdict on the program."""
        return self.reason != "refused"


class Programs(Protocol):
    """Runs programs. Cancelling the caller kills what runs for it. Raises ProgramsOff where programs are disabled."""

    async def run(self, source: str, *, stdin: str = "") -> ProgramResult:
        """Run one Python program to its end."""

    async def test(self, source: str, tests: Sequence[str], *, call_seconds: float | None = None) -> UnitTestResult:
        """Call the functions of `source` from tests that its process cannot see.

        A test is Python statements; it passes when it ends without an exception after an answer from the candidate.
        Names that it does not define are the candidate's functions. They take and return plain values only: None,
        bool, int, finite float, str, bytes, list, tuple, set and dict, always copies. A call that takes longer than
        `call_seconds` raises TimeoutError in the test, as far as Python can interrupt it.
        """


class NoPrograms:
    """The port where programs are disabled."""

    async def run(self, source: str, *, stdin: str = "") -> ProgramResult:
        raise ProgramsOff(PROGRAMS_OFF)

    async def test(self, source: str, tests: Sequence[str], *, call_seconds: float | None = None) -> UnitTestResult:
        raise ProgramsOff(PROGRAMS_OFF)
