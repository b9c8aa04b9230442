"""One candidate's trial: two sandboxed processes, and between them the server, which carries their messages.

The judge asks and gives verdicts; the candidate answers. What the candidate sends is handed on as it came and is never
read here.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from cogitate.server.sandbox.backend import Cage
from cogitate.server.sandbox.limits import Limits
from cogitate.server.sandbox.process import Child, Lost, child
from cogitate.strategies.core.programs import Reason, Tested

LAST_WORDS = 0.25
"""Seconds that a candidate may take to end once it is asked no more."""


@dataclass(slots=True)
class Trial:
    limits: Limits
    verdicts: list[bool | None]
    candidate_lost: bool = field(default=False)

    async def held(self, judge: Child, candidate: Child) -> None:
        """Until every test has its verdict, or the judge is lost."""
        with suppress(Lost):
            while None in self.verdicts:
                message = await judge.receive(2 * self.limits.input)
                if message.startswith(b"C"):
                    await judge.send(await self._answered(candidate, message[1:]))
                else:
                    self._note(message[1:])
        if await _spoke_again(candidate):
            self.verdicts[:] = [False] * len(self.verdicts)

    async def _answered(self, candidate: Child, call: bytes) -> bytes:
        """Empty from the first time that there is no answer."""
        if not self.candidate_lost:
            try:
                await candidate.send(call)
                return await candidate.receive(self.limits.output)
            except Lost:
                self.candidate_lost = True
        return b""

    def _note(self, verdict: bytes) -> None:
        """The judge runs tests that we do not know either: only a verdict on the next test counts."""
        try:
            said = json.loads(verdict)
        except (ValueError, RecursionError):
            raise Lost from None
        if not (isinstance(said, dict) and said.get("test") == self.verdicts.index(None)):
            raise Lost
        self.verdicts[self.verdicts.index(None)] = said.get("passed") is True


async def _spoke_again(candidate: Child) -> bool:
    """Whether it has said something that it was not asked."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_WORDS):
            await candidate.hang_up()
            return bool(await candidate.stdout.read(1))
    return False


async def tried(cage: Cage, places: tuple[int, int], limits: Limits, source: str, tests: Sequence[str]) -> Tested:
    """OSError when the system has no process to give."""
    began = time.perf_counter()
    trial = Trial(limits, [None] * len(tests))
    reason: Reason = "timeout"
    with suppress(TimeoutError):
        async with (
            asyncio.timeout(limits.wall),
            child(cage, places[0], limits, "candidate", {"source": source}) as candidate,
            child(cage, places[1], limits, "judge", {"tests": list(tests)}) as judge,
        ):
            await trial.held(judge, candidate)
            reason = "error" if trial.candidate_lost or None in trial.verdicts else "ok"
    return Tested(tuple(verdict is True for verdict in trial.verdicts), reason, time.perf_counter() - began)
