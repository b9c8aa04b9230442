"""Detects an engine that has work and reports no error, but decodes no token."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger("cogitate")
CHECKS_PER_STALL = 10
"""Checks per `stall_seconds`. A stall is measured in checks, so that it excludes time in which the machine sleeps."""
STALLS_BEFORE_FAILURE = 3
"""Number of periods of `stall_seconds` without a token after which the engine has failed."""


@dataclass(slots=True)
class Watchdog:
    """Polls an engine's progress marker (see `Backend.progress_marker`)."""

    progress_marker: Callable[[], object]
    stall_seconds: float
    stalled: bool = False

    async def wait_for_failure(self) -> str:
        """Return the reason when the marker has not changed for STALLS_BEFORE_FAILURE times `stall_seconds`."""
        last, unchanged = None, 0
        while unchanged < STALLS_BEFORE_FAILURE * CHECKS_PER_STALL:
            await asyncio.sleep(self.stall_seconds / CHECKS_PER_STALL)
            marker = self.progress_marker()
            unchanged = unchanged + 1 if marker is not None and marker == last else 0
            last = marker
            self._update_state(stalled=unchanged >= CHECKS_PER_STALL)
        return f"the engine has generated no token for {STALLS_BEFORE_FAILURE * self.stall_seconds:g} s"

    def _update_state(self, *, stalled: bool) -> None:
        if stalled != self.stalled:
            state = "generates no tokens: not ready" if stalled else "generates tokens again"
            log.warning("the engine %s", state)
        self.stalled = stalled
