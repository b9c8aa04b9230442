"""A timeout that is set anew for each wait, and seldom rings.

To begin a timer and to end it takes uvloop longer than to send a small request. So the one that runs stays when a wait
is over; when it goes off, it looks whether somebody waits now, and until when.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Bell:
    ring: Callable[[], None]
    _due: float = math.inf
    """When it rings, by the loop's clock; never, while nobody waits."""
    _timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """It rings after so many, unless it is set anew or stilled before."""
        loop = asyncio.get_running_loop()
        self._due = loop.time() + seconds
        if self._timer is None or self._timer.when() > self._due:
            self.end()
            self._timer = loop.call_later(seconds, self._look, loop)

    def still(self) -> None:
        self._due = math.inf

    def end(self) -> None:
        """It is needed no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer, left = None, self._due - loop.time()
        if left <= 0:
            self.ring()
        elif left < math.inf:
            self._timer = loop.call_later(left, self._look, loop)
