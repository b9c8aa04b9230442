"""Detects an engine that reports no error and decodes no token."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger("cogitate")
CHECKS_PER_STALL = 10
"""Checks within `stall_seconds`. Checks are counted, not seconds: a machine that wakes from suspension has no stall."""
STALLS_BEFORE_FAILURE = 3
"""The engine has failed after this many times `stall_seconds`."""


@dataclass(slots=True)
class Watchdog:
    """Polls a progress marker, see `Backend.progress_marker`."""

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
        return f"the engine has made no token for {STALLS_BEFORE_FAILURE * self.stall_seconds:g} s"

    def _update_state(self, *, stalled: bool) -> None:
        if stalled != self.stalled:
            state = "makes no tokens: not ready" if stalled else "makes tokens again"
            log.warning("the engine %s", state)
        self.stalled = stalled
