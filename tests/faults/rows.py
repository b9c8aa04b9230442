"""The rows of the fault list, T1 to T44: what a test measured, beside its bar."""

from dataclasses import dataclass

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

    @property
    def order(self) -> int:
        return int(self.name[1:])

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


def table(rows: list[Row]) -> str:
    return "\n".join([HEAD, *map(str, sorted(rows, key=lambda row: row.order))])
