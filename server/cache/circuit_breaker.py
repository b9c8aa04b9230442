"""A circuit breaker: after a few failures in a row nobody waits any more, except one caller now and then who tries."""

import time
from collections.abc import Callable


class Breaker:
    """Opens after `failures` in a row, for `pause` seconds, doubling up to `longest` with each try that fails.

    Each change begins a new era; news from a call that was let through in an earlier one are old news, and ignored.
    """

    def __init__(
        self,
        *,
        failures: int = 3,
        pause: float = 1.0,
        longest: float = 4.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowed, self._first, self._longest, self._clock = failures, pause, longest, clock
        self._failures = 0
        self._pause = pause
        self._until: float | None = None
        self._era = 0

    def admit(self) -> int | None:
        """The era to report back with, or None: do not call."""
        if self._until is None:
            return self._era
        if self._clock() < self._until:
            return None
        # This caller alone tries. Should it never report, cancelled, the next may after another first pause.
        self._until = self._clock() + self._first
        self._era += 1
        return self._era

    def succeeded(self, era: int) -> bool:
        """Report a call that was served. True when this closed the breaker."""
        if era != self._era:
            return False
        was_open = self._until is not None
        self._until = None
        self._failures = 0
        return was_open

    def failed(self, era: int) -> bool:
        """Report a call that was not served. True when this opened the breaker, until now closed."""
        if era != self._era:
            return False
        self._failures += 1
        was_open = self._until is not None
        if was_open or self._failures >= self._allowed:
            self._pause = min(2 * self._pause, self._longest) if was_open else self._first
            self._until = self._clock() + self._pause
            self._era += 1
        return self._until is not None and not was_open
