"""Outlier ejection: a replica that keeps failing is ejected, probed, and returned to use on trial.

This is not the circuit breaker of `server/cache`, although both count consecutive failures and back off. A breaker
decides by the clock, alone, and lets one caller's own request through as the probe, so that a user pays for a failed
one. Here the load balancer decides: it never ejects the last replica that responds; a background request to /models is
the probe, and only its success ends the ejection. A failed probe does not count as a failure, a 429 is no failure but a
pause, and a connection that is refused ejects at once.
"""

from dataclasses import dataclass

MAX_CONSECUTIVE_FAILURES = 5
"""At this many, a replica is ejected."""
MIN_PROBE_SECONDS, MAX_PROBE_SECONDS = 1.0, 30.0
"""Delay before the first probe; doubled before each further one, up to the maximum."""


@dataclass(slots=True)
class Health:
    """The state of one replica. It decides nothing by itself: `LoadBalancer` ejects and restores."""

    ejected: bool = False
    ejections: int = 0
    """How often it was ejected."""
    on_trial: bool = False
    """It was ejected, and no call has succeeded since."""
    consecutive_failures: int = 0
    probe_delay: float = MIN_PROBE_SECONDS
    """Seconds until the next probe."""
    busy_until: float = 0.0
    """Time of the event loop until which it gets no calls, because of a 429 with Retry-After."""

    def record_success(self) -> None:
        self.consecutive_failures, self.probe_delay, self.on_trial = 0, MIN_PROBE_SECONDS, False

    def record_failure(self, *, refused: bool = False) -> bool:
        """Count a failure. Returns whether the replica should be ejected; a refused connection is enough alone."""
        self.consecutive_failures += 1
        return refused or self.consecutive_failures >= MAX_CONSECUTIVE_FAILURES

    def eject(self) -> None:
        self.ejected, self.ejections = True, self.ejections + 1

    def next_probe_delay(self) -> float:
        """Return the seconds to wait before the next probe, and double them for the one after it."""
        delay, self.probe_delay = self.probe_delay, min(self.probe_delay * 2, MAX_PROBE_SECONDS)
        return delay

    def start_trial(self) -> None:
        """Return to use on trial: the next failure ejects again, and only a success ends the trial."""
        self.ejected, self.on_trial, self.consecutive_failures = False, True, MAX_CONSECUTIVE_FAILURES - 1
