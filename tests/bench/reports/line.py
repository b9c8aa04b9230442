"""One input of a report: what is right, and what the code gives."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

KINDS: dict[str, str] = json.loads(Path(__file__).with_name("kinds.json").read_text(encoding="utf-8"))
"""What each row stands for; every row of the reports has an entry."""
MAX_CELL_CHARACTERS = 110


@dataclass(frozen=True, slots=True)
class Line:
    """`is_met`: None where the row is shown elsewhere, as `now` says."""

    row: str
    input: str
    right: str
    now: str
    is_met: bool | None

    @property
    def verdict(self) -> str:
        return {True: "met", False: "NOT MET", None: "elsewhere"}[self.is_met]

    def to_markdown(self) -> str:
        cells = map(to_cell, (self.row, KINDS[self.row], self.input, self.right, self.now, self.verdict))
        return f"| {' | '.join(cells)} |"


def to_cell(text: str) -> str:
    """Shortens a text, and keeps it in its cell of a Markdown table."""
    if len(text) > MAX_CELL_CHARACTERS:
        text = f"{text[: MAX_CELL_CHARACTERS - 30]} ... ({len(text)} characters)"
    return text.replace("|", "\\|").replace("\n", "⏎")


def build_total(lines: Sequence[Line]) -> str:
    verdicts = {row: {line.is_met for line in lines if line.row == row} for row in KINDS}
    unmet = [row for row, found in verdicts.items() if False in found]
    elsewhere = [row for row, found in verdicts.items() if found == {None}]
    missing = [row for row, found in verdicts.items() if not found]
    met = len(KINDS) - len(unmet) - len(elsewhere) - len(missing)
    absent = f", not run: {', '.join(missing)}" if missing else ""
    return (
        f"{len(KINDS)} rows, {len(lines)} inputs: {met} rows met, {len(unmet)} not met, "
        f"{len(elsewhere)} shown elsewhere{absent}."
    )
