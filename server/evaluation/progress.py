"""One line that says how far it is, and when it will be done."""

import sys
import time
from dataclasses import dataclass, field
from typing import TextIO

EVERY = 10.0
"""Seconds between lines where the output is no terminal."""


@dataclass(slots=True)
class Progress:
    label: str
    to: TextIO
    total: int = 0
    done: int = 0
    tokens: int = 0
    began: float = field(default_factory=time.monotonic)
    _told: float = 0.0

    def expect(self, more: int) -> None:
        self.total += more

    def advance(self, tokens: int = 0) -> None:
        self.done += 1
        self.tokens += tokens
        seconds, live = time.monotonic() - self.began, self.to.isatty()
        if live or self.done == self.total or seconds - self._told >= EVERY:
            self._told = seconds
            end = "\n" if not live or self.done == self.total else ""
            self.to.write(f"{chr(13) if live else ''}{self.line(seconds)}{end}")
            self.to.flush()

    def line(self, seconds: float) -> str:
        left = seconds / self.done * (self.total - self.done)
        bar = "#" * (20 * self.done // max(self.total, 1))
        pace = f"{self.tokens / max(seconds, 1e-9):.0f} tokens/s, " if self.tokens else ""
        return f"{self.label} [{bar:<20}] {self.done}/{self.total} {pace}{clock(seconds)} gone, {clock(left)} left"


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def note(line: str) -> None:
    """What is worth knowing beside the results."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
