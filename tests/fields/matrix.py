"""Tries every field under every strategy and without one: honoured or refused; anything else is lost."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cogitate.strategies import STRATEGIES
from tests.fields.effects import changes_nothing
from tests.fields.fields import FIELDS, Field
from tests.fields.requests import Rejected, Server, Trial

PLAIN = "none"
COLUMNS = (PLAIN, *STRATEGIES)
"""At temperature 0, with the options of requests.py, every answer is or begins with the engine's own sample, so that an
effect on it is the field's."""
MAX_CONCURRENT_TRIALS = 16
"""Trials at a time, which share the engine's batches."""


@dataclass(frozen=True, slots=True)
class Verdict:
    field: Field
    column: str
    found: Literal["honoured", "refused", "accepted", "lost"]
    """accepted: no error, where the option that would show the effect is refused."""
    reason: str = ""


async def try_field(server: Server, field: Field, column: str) -> Verdict:
    trial = field.trial(server, None if column == PLAIN else column)
    try:
        await field.check(trial)
    except Rejected as refusal:
        if refusal.param in (field.name, *field.needs):
            return Verdict(field, column, "refused", str(refusal))
        if refusal.param in field.context:
            return await try_alone(replace(trial, context={}), field, column)
        return Verdict(field, column, "lost", f"{refusal} [{refusal.param}]")
    except (AssertionError, LookupError, ValueError) as lost:
        return Verdict(field, column, "lost", repr(lost))
    return Verdict(field, column, "honoured")


async def try_alone(trial: Trial, field: Field, column: str) -> Verdict:
    """Try the field without the options that it acts on: it must be accepted without effect."""
    try:
        await changes_nothing(trial)
    except (Rejected, AssertionError) as lost:
        return Verdict(field, column, "lost", repr(lost))
    return Verdict(field, column, "accepted")


async def verdicts(server: Server, columns: Sequence[str] = COLUMNS, fields: Sequence[Field] = FIELDS) -> list[Verdict]:
    """Return the verdicts in the order of the table."""
    turn = asyncio.Semaphore(MAX_CONCURRENT_TRIALS)

    async def one(field: Field, column: str) -> Verdict:
        async with turn:
            return await try_field(server, field, column)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(field, column)) for field in fields for column in columns]
    return [task.result() for task in tasks]
