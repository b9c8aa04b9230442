"""A circuit breaker: after a few failures in a row calls fail at once, except for a single probe now and then."""

import time
from collections.abc import Callable


class CircuitBreaker:
    """Opens after `failures` failures in a row, for `pause` seconds, doubled up to `longest` with each failed probe.

    Each change of state begins a new era. The result of a call that was admitted in an earlier era is ignored.
    """

    def __init__(
        self,
        *,
        failures: int = 3,
        pause: float = 1.0,
        longest: float = 4.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_failures, self._first_pause, self._max_pause, self._clock = failures, pause, longest, clock
        self._failures = 0
        self._pause = pause
        self._open_until: float | None = None
        self._era = 0

    def admit(self) -> int | None:
        """Return the era to report the result with; None where the call must not be made."""
        if self._open_until is None:
            return self._era
        if self._clock() < self._open_until:
            return None
        # This call is the only probe. Should it be cancelled and never report, another follows after the first pause.
        self._open_until = self._clock() + self._first_pause
        self._era += 1
        return self._era

    def record_success(self, era: int) -> bool:
        """Report a call that was served. Returns True where this closed the breaker."""
        if era != self._era:
            return False
        was_open = self._open_until is not None
        self._open_until = None
        self._failures = 0
        return was_open

    def record_failure(self, era: int) -> bool:
        """Report a call that was not served. Returns True where this opened a closed breaker."""
        if era != self._era:
            return False
        self._failures += 1
        was_open = self._open_until is not None
        if was_open or self._failures >= self._max_failures:
            self._pause = min(2 * self._pause, self._max_pause) if was_open else self._first_pause
            self._open_until = self._clock() + self._pause
            self._era += 1
        return self._open_until is not None and not was_open
