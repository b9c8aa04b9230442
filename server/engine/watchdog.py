"""Notices an engine that calls itself healthy and makes no token."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger("cogitate")
LOOKS = 10
"""Times it is looked at, in the time that makes a stall. Looks are counted and not seconds, so that a machine that was
suspended does not wake to a stalled engine."""
GRACE = 3
"""How many such times until it is given up."""


@dataclass(slots=True)
class Watch:
    """`pulse` is another value whenever the engine has moved on, and None while it has nothing to do."""

    pulse: Callable[[], object]
    seconds: float
    stalled: bool = False

    async def failed(self) -> str:
        """Returns, with the reason, when the engine has stood still for GRACE times as long as makes a stall."""
        last, still = None, 0
        while still < GRACE * LOOKS:
            await asyncio.sleep(self.seconds / LOOKS)
            seen = self.pulse()
            still = still + 1 if seen is not None and seen == last else 0
            last = seen
            self._tell(still >= LOOKS)
        return f"the engine has made no token for {GRACE * self.seconds:g} s"

    def _tell(self, stalled: bool) -> None:
        if stalled != self.stalled:
            state = "makes no tokens: not ready" if stalled else "makes tokens again"
            log.warning("the engine %s", state)
        self.stalled = stalled
