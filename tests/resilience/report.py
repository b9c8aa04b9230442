"""Rows of the fault list (T1 to T44): the figure that a test measured, with its limit."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

HEAD = "| row | what | measured | bar | |\n|---|---|---|---|---|"
RERUN = "Measured again in a later run (`--renew`): "
SECONDS = "Seconds per row: "


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    """The number in the fault list, such as `T1`."""
    what: str
    measured: str
    bar: str
    met: bool

    def __str__(self) -> str:
        return f"| {self.name} | {self.what} | {self.measured} | {self.bar} | {'met' if self.met else 'NOT MET'} |"


def fault_rows(item: pytest.Item) -> tuple[str, ...]:
    """Return the rows that the test's nearest `fault` marker names; empty without one."""
    marker = item.get_closest_marker("fault")
    return marker.args if marker else ()


@dataclass(frozen=True, slots=True)
class Bar:
    """Records a figure for the table and asserts its limit.

    `bar("engine empty after a hang-up, p99", f"{p99:.0f} ms", "250 ms", p99 <= 250)`
    """

    node: pytest.Item

    def __call__(self, what: str, measured: str, bar: str, met: bool, *, row: str = "") -> None:
        """Record the figure under `row`, by default the first that the test's `fault` marker names.

        Raises AssertionError where the limit is not met, or where the marker does not name the row.
        """
        rows = fault_rows(self.node)
        assert rows and row in ("", *rows), f"{self.node.nodeid} needs @pytest.mark.fault({row or 'T...'!r})"
        figure = Row(row or rows[0], what, measured, bar, met)
        self.node.user_properties.append(("row", figure))
        assert figure.met, str(figure)


@dataclass(frozen=True, slots=True)
class Report:
    """The contents of a table: its rows, the seconds per row name, and the names measured in a later run."""

    rows: list[Row] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    rerun: list[str] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str) -> "Report":
        """Parse what `str(report)` wrote."""
        cells = [line[2:-2].split(" | ") for line in text.splitlines() if re.match(r"\| T\d+ \|", line)]
        rows = [Row(*four, met=verdict == "met") for *four, verdict in cells]
        seconds, rerun = (
            "".join(line.removeprefix(start) for line in text.splitlines() if line.startswith(start))
            for start in (SECONDS, RERUN)
        )
        durations = {name: float(count) for name, count in re.findall(r"(T\d+) (\d+)", seconds)}
        return cls(rows, durations, re.findall(r"T\d+", rerun))

    def merge(self, rows: list[Row], seconds: Mapping[str, float]) -> "Report":
        """Return this report with the rows named in `seconds` replaced by `rows`."""
        unchanged = [row for row in self.rows if row.name not in seconds]
        rows = sorted([*unchanged, *rows], key=lambda row: number(row.name))
        return Report(rows, {**self.seconds, **seconds}, sorted({*self.rerun, *seconds}, key=number))

    def __str__(self) -> str:
        missed = sum(not row.met for row in self.rows)
        durations = ", ".join(f"{name} {self.seconds[name]:.0f}" for name in sorted(self.seconds, key=number))
        minutes = sum(self.seconds.values()) / 60
        parts = [f"{len(self.rows)} figures, {missed} not met, in {minutes:.0f} minutes."]
        parts += [f"{RERUN}{', '.join(self.rerun)}."] if self.rerun else []
        return "\n\n".join([*parts, f"{SECONDS}{durations}.", table(self.rows)])


def number(name: str) -> int:
    return int(name[1:])


def table(rows: list[Row]) -> str:
    """Render rows as a Markdown table in the order of the fault list."""
    return "\n".join([HEAD, *map(str, sorted(rows, key=lambda row: number(row.name)))])
