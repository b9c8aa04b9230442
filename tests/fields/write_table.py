"""Writes the table of fields and strategies from the real engines: python -m tests.fields.write_table [STRATEGY ...].

With names of strategies only their columns are measured; the others stay as they are in the file. test_write_table.py
compares the file with the current server.
"""

import argparse
import asyncio
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.fakes.real_engine import real_engine
from tests.fields.engines import ENGINES, engines
from tests.fields.fields import FIELDS, Field
from tests.fields.matrix import COLUMNS, Verdict, verdicts

FILE = Path(__file__).resolve().parents[2] / "deploy" / "results" / "fields.md"
HEAD = """# Every field under every strategy

Written by `python -m tests.fields.write_table` from runs on the real engine, in this process and behind the remote
engine; `tests/fields/test_field_matrix.py` checks it, `tests/fields/fields.py` defines each check. **honoured**: the
effect was observed, compared with the same request without the field and with the engine's own answer. **refused**: a
400 that names the field. **accepted**: taken, where the option that would show its effect is refused.

"""


Found = Mapping[str, Sequence[Verdict]]
"""Verdicts by engine."""


def render_table(found: Found) -> str:
    """Render the table. Raises ValueError where a field was lost."""
    lost = [verdict for verdicts_of in found.values() for verdict in verdicts_of if verdict.found == "lost"]
    if lost:
        raise ValueError("\n".join(f"{verdict.field.title}, {verdict.column}: {verdict.reason}" for verdict in lost))
    reasons: dict[str, int] = {}
    head = [f"| field | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    rows = [row(field, found, reasons) for field in FIELDS]
    notes = [f"{number}. {reason}" for reason, number in reasons.items()]
    return HEAD + "\n".join([*head, *rows, "", *notes, "", counts(found)]) + "\n"


def row(field: Field, found: Found, reasons: dict[str, int]) -> str:
    cells = []
    for column in COLUMNS:
        of_both = [v for verdicts_of in found.values() for v in verdicts_of if (v.field, v.column) == (field, column)]
        cells.append(cell(of_both, reasons))
    return f"| {title(field)} | {' | '.join(cells)} |"


def cell(of_both: Sequence[Verdict], reasons: dict[str, int]) -> str:
    """Render a cell: one verdict where the engines agree, with the number of the reason."""
    words = []
    for verdict in of_both:
        if verdict.found == "refused":
            words.append(f"refused [{reasons.setdefault(shorten_reason(verdict.reason), len(reasons) + 1)}]")
        else:
            words.append(verdict.found)
    return "; ".join(dict.fromkeys(words))


def shorten_reason(reason: str) -> str:
    """The reason in an error message, without what precedes the colon."""
    return reason.split(": ", 1)[-1].split(". ")[0].strip(".")


def counts(found: Found) -> str:
    parts = []
    for engine, of in found.items():
        tally = Counter(verdict.found for verdict in of)
        parts.append(", ".join([f"{engine}: {len(of)} asked", *(f"{n} {word}" for word, n in tally.most_common())]))
    return (
        f"{len({field.name for field in FIELDS})} fields in {len(FIELDS)} forms. " + "; ".join(parts) + "; none lost."
    )


def title(field: Field) -> str:
    return f"`{field.name}` {field.case}".strip()


def rows(text: str) -> dict[str, dict[str, str]]:
    """Parse a table's cells by the field's title and the column."""
    head, *body = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {name: dict(zip(head[1:], cells, strict=True)) for name, *cells in body}


def parse_table(text: str, columns: Sequence[str]) -> dict[str, list[Verdict]]:
    """Parse the verdicts of these columns, by engine."""
    reasons = dict(re.findall(r"(?m)^(\d+)\. (.*)$", text))
    found: dict[str, list[Verdict]] = {engine: [] for engine in ENGINES}
    for field, cells in zip(FIELDS, rows(text).values(), strict=True):
        for column in columns:
            words = cells[column].split("; ")
            for engine, word in zip(ENGINES, words * (len(ENGINES) // len(words)), strict=True):
                verdict, _, number = word.partition(" [")
                found[engine].append(Verdict(field, column, verdict, reasons.get(number.strip("]"), "")))
    return found


async def main(columns: Sequence[str]) -> None:
    unchanged = [column for column in COLUMNS if column not in columns]
    found = parse_table(FILE.read_text(), unchanged) if unchanged else {engine: [] for engine in ENGINES}
    async with real_engine() as engine, engines(engine) as servers:
        for name, server in servers.items():
            found[name] += await verdicts(server, columns)
    FILE.write_text(render_table(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.fields.write_table", description=__doc__)
    parser.add_argument("column", nargs="*", choices=[*COLUMNS, []], metavar="STRATEGY")
    asyncio.run(main(parser.parse_args().column or COLUMNS))
