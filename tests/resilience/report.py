"""The rows of the fault list, T1 to T44: what a test measured, beside its bar."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

HEAD = "| row | what | measured | bar | |\n|---|---|---|---|---|"


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    """`T1`, by the list's own numbers."""
    what: str
    measured: str
    bar: str
    met: bool

    def __str__(self) -> str:
        return f"| {self.name} | {self.what} | {self.measured} | {self.bar} | {'met' if self.met else 'NOT MET'} |"


@dataclass(frozen=True, slots=True)
class Bar:
    """`bar("T1", "engine empty after a hang-up, p99", f"{p99:.0f} ms", "250 ms", p99 <= 250)`."""

    node: pytest.Item

    def __call__(self, name: str, what: str, measured: str, bar: str, met: bool) -> None:
        """Notes the figure for the table, then asserts that the bar is met."""
        row = Row(name, what, measured, bar, met)
        self.node.user_properties.append(("row", row))
        assert row.met, str(row)


@dataclass(frozen=True, slots=True)
class Told:
    """What a table said: its rows, the seconds that each name took, and which names were asked in a later run."""

    rows: list[Row] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    anew: list[str] = field(default_factory=list)

    @classmethod
    def by(cls, text: str) -> "Told":
        cells = [line[2:-2].split(" | ") for line in text.splitlines() if re.match(r"\| T\d+ \|", line)]
        rows = [Row(*four, met=verdict == "met") for *four, verdict in cells]
        took, later = (re.findall(pattern, text, re.MULTILINE) for pattern in (r"^Seconds .*", r"^Asked anew .*"))
        seconds = {name: float(count) for name, count in re.findall(r"(T\d+) (\d+)", "".join(took))}
        return cls(rows, seconds, re.findall(r"T\d+", "".join(later)))

    def renewed(self, rows: list[Row], seconds: Mapping[str, float]) -> "Told":
        """With these in place of what it said of their names."""
        kept = [row for row in self.rows if row.name not in seconds]
        rows = sorted([*kept, *rows], key=lambda row: number(row.name))
        return Told(rows, {**self.seconds, **seconds}, sorted({*self.anew, *seconds}, key=number))

    def __str__(self) -> str:
        missed = sum(not row.met for row in self.rows)
        took = ", ".join(f"{name} {self.seconds[name]:.0f}" for name in sorted(self.seconds, key=number))
        minutes = sum(self.seconds.values()) / 60
        parts = [f"{len(self.rows)} figures, {missed} not met, in {minutes:.0f} minutes."]
        parts += [f"Asked anew in a later run (`--renew`): {', '.join(self.anew)}."] if self.anew else []
        return "\n\n".join([*parts, f"Seconds that each row took: {took}.", table(self.rows)])


def number(name: str) -> int:
    return int(name[1:])


def table(rows: list[Row]) -> str:
    return "\n".join([HEAD, *map(str, sorted(rows, key=lambda row: number(row.name)))])
