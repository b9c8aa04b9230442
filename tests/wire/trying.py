"""Every field under every strategy, and without one: refused, or honoured. Anything else is lost."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tests.wire.asking import Refused, Server
from tests.wire.fields import FIELDS, Field

PLAIN = "none"
COLUMNS = (
    PLAIN,
    "chain_of_thought",
    "self_consistency",
    "best_of_n",
    "beam_search",
    "dvts",
    "particle_filter",
    "selection",
    "synthesis",
    "auto",
)
"""The strategies whose answer, at temperature 0, is a sample as it stands: an effect on it is the field's. What the
others honour and refuse is shown on the scripted engine, in tests/server/test_fields.py."""
AT_ONCE = 16
"""Trials under way together: they share the engine's batches."""


@dataclass(frozen=True, slots=True)
class Verdict:
    field: Field
    column: str
    found: Literal["honoured", "refused", "lost"]
    reason: str = ""


async def tried(server: Server, field: Field, column: str) -> Verdict:
    try:
        await field.check(field.trial(server, None if column == PLAIN else column))
    except Refused as refusal:
        named = refusal.param in (field.name, *field.needs)
        return Verdict(field, column, "refused" if named else "lost", f"{refusal} [{refusal.param}]")
    except (AssertionError, LookupError, ValueError) as lost:
        return Verdict(field, column, "lost", repr(lost))
    return Verdict(field, column, "honoured")


async def verdicts(server: Server, columns: Sequence[str] = COLUMNS, fields: Sequence[Field] = FIELDS) -> list[Verdict]:
    """In the order of the table."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(field: Field, column: str) -> Verdict:
        async with turn:
            return await tried(server, field, column)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(field, column)) for field in fields for column in columns]
    return [task.result() for task in tasks]
