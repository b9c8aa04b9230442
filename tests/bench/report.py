"""A Markdown table of measured figures and their limits."""

import statistics
import sys
from dataclasses import dataclass, field

VERDICTS = {True: "met", False: "NOT MET", None: ""}


@dataclass(slots=True)
class Table:
    """Collects rows, and reports each on stderr as it is added."""

    rows: list[tuple[str, str, str, str]] = field(default_factory=list)

    def add(self, what: str, figure: str, bar: str, met: bool | None) -> None:
        """Add a row. `met`: None for a figure without a limit, which others are compared with."""
        self.rows.append((what, figure, bar, VERDICTS[met]))
        say(f"{what}: {figure} (bar: {bar}) {self.rows[-1][3]}")

    def markdown(self) -> str:
        """Render the table."""
        lines = ["| what | measured | bar | |", "|---|---|---|---|"]
        return "\n".join(lines + [f"| {' | '.join(row)} |" for row in self.rows])


def say(line: str) -> None:
    """Write a line to stderr; the table goes to stdout."""
    sys.stderr.write(line + "\n")


def spread(values: list[float], digits: int = 2) -> str:
    """Format the median and, in brackets, the quartiles."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
