"""Every field under every strategy, and without one: refused, or honoured. Anything else is lost."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from strategies import STRATEGIES
from tests.wire.asking import Refused, Server
from tests.wire.fields import FIELDS, Field

PLAIN = "none"
COLUMNS = (PLAIN, *(name for name in STRATEGIES if name != "program_aided"))
"""program_aided is refused whole where no programs are run; tests/server/test_programs.py asks it of its fields."""
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
    except (AssertionError, LookupError) as lost:
        return Verdict(field, column, "lost", repr(lost))
    return Verdict(field, column, "honoured")


async def verdicts(server: Server, fields: Sequence[Field] = FIELDS) -> list[Verdict]:
    """In the order of the table."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(field: Field, column: str) -> Verdict:
        async with turn:
            return await tried(server, field, column)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(field, column)) for field in fields for column in COLUMNS]
    return [task.result() for task in tasks]
