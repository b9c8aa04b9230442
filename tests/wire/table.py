"""The table of fields and strategies: python -m tests.wire.table asks the real engines and writes it.

It says what was found, and why what is refused is refused. test_table.py holds it to today's server.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.engine.real import SHORT_PROMPTS, real_engine
from tests.wire.engines import engines
from tests.wire.fields import FIELDS, Field
from tests.wire.trying import COLUMNS, Verdict, verdicts

FILE = Path(__file__).resolve().parents[2] / "deploy" / "results" / "fields.md"
HEAD = """# Every field under every strategy

Written by `python -m tests.wire.table` from what a run on the real engine found, in this process and behind the remote
engine; `tests/wire/test_fields.py` finds the same, `tests/wire/fields.py` says how. **honoured**: the effect was seen,
beside the same request without the field and the engine's own answer. **refused**: a 400 that names the field.

"""


Found = Mapping[str, Sequence[Verdict]]
"""By engine."""


def written(found: Found) -> str:
    """Raises ValueError where a field was lost."""
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
    return f"| `{field.name}`{f' {field.case}' if field.case else ''} | {' | '.join(cells)} |"


def cell(of_both: Sequence[Verdict], reasons: dict[str, int]) -> str:
    """One word where the engines agree, with the number of the reason."""
    words = []
    for verdict in of_both:
        if verdict.found == "refused":
            words.append(f"refused [{reasons.setdefault(short(verdict.reason), len(reasons) + 1)}]")
        else:
            words.append(verdict.found)
    return "; ".join(dict.fromkeys(words))


def short(reason: str) -> str:
    """The reason without whom it was told."""
    return reason.split(": ", 1)[-1].split(". ")[0].strip(".")


def counts(found: Found) -> str:
    told = [
        f"{engine}: {len(of)} asked, {sum(v.found == 'honoured' for v in of)} honoured, "
        f"{sum(v.found == 'refused' for v in of)} refused"
        for engine, of in found.items()
    ]
    return f"{len({field.name for field in FIELDS})} fields in {len(FIELDS)} forms. " + "; ".join(told) + "; none lost."


async def main() -> None:
    async with real_engine(**SHORT_PROMPTS) as engine, engines(engine) as servers:
        found = {engine: await verdicts(server) for engine, server in servers.items()}
    FILE.write_text(written(found))


if __name__ == "__main__":
    asyncio.run(main())
