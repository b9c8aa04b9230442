"""What was measured, as a table."""

import statistics
import sys
from dataclasses import dataclass, field

VERDICTS = {True: "met", False: "NOT MET", None: ""}


@dataclass(slots=True)
class Table:
    rows: list[tuple[str, str, str, str]] = field(default_factory=list)

    def add(self, what: str, figure: str, bar: str, met: bool | None) -> None:
        """`met`: None where there is no bar, only a figure to see another by."""
        self.rows.append((what, figure, bar, VERDICTS[met]))
        say(f"{what}: {figure} (bar: {bar}) {self.rows[-1][3]}")

    def markdown(self) -> str:
        lines = ["| what | measured | bar | |", "|---|---|---|---|"]
        return "\n".join(lines + [f"| {' | '.join(row)} |" for row in self.rows])


def say(line: str) -> None:
    sys.stderr.write(line + "\n")


def spread(values: list[float], digits: int = 2) -> str:
    """The median and, in brackets, the quartiles."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
