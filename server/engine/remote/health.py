"""Whether a replica is to be used: ejected when it keeps failing, probed, and taken back on trial."""

from dataclasses import dataclass

FAILURES = 5
"""In a row, until a replica is ejected."""
FIRST_PROBE, LAST_PROBE = 1.0, 30.0
"""Seconds between probes: doubled each time up to the last."""


@dataclass(slots=True)
class Health:
    ejected: bool = False
    trial: bool = False
    """It was ejected, and has not done anything well since."""
    failures: int = 0
    """In a row."""
    pause: float = FIRST_PROBE
    """Seconds until the next probe."""
    busy_until: float = 0.0
    """A time of the loop: it asked to be left alone until then."""

    def succeeded(self) -> None:
        self.failures, self.pause, self.trial = 0, FIRST_PROBE, False

    def failed(self, *, refused: bool = False) -> bool:
        """Counts a failure. Whether this one is reason to eject: `refused` is, at once."""
        self.failures += 1
        return refused or self.failures >= FAILURES

    def eject(self) -> None:
        self.ejected = True

    def next_pause(self) -> float:
        """How long to wait for the next probe."""
        pause, self.pause = self.pause, min(self.pause * 2, LAST_PROBE)
        return pause

    def restore(self) -> None:
        """Back on trial: the next failure ejects again, and only a success ends the trial."""
        self.ejected, self.trial, self.failures = False, True, FAILURES - 1
