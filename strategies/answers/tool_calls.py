"""Tool calls and JSON answers as votes: compared field by field, on all fields or on chosen ones."""

import json
from collections.abc import Sequence
from dataclasses import replace

from cogitate.strategies.answers.answer import LONGEST_TEXT, Answer
from cogitate.strategies.answers.json_answer import dumped

MISSING = object()


def called(calls: Sequence[tuple[str, str]], fields: Sequence[str] = ()) -> Answer | None:
    """One vote for these calls: their names in order, and their arguments' canonical JSON.

    None where an argument is no JSON object: such a call cannot be made.
    """
    keys = []
    for name, arguments in calls:
        key = chosen(arguments or "{}", fields) if len(arguments) <= LONGEST_TEXT else None
        if key is None or not key.startswith("{"):
            return None
        keys.append([name, key])
    shown = ", ".join(f"{name}({arguments})" for name, arguments in calls)
    return Answer(shown, json.dumps(keys), "tool")


def narrowed(answer: Answer, fields: Sequence[str]) -> Answer | None:
    """A JSON answer that is counted on these fields alone; None where it has none of them."""
    key = chosen(answer.raw, fields)
    return None if key is None else replace(answer, key=key)


def chosen(raw: str, fields: Sequence[str]) -> str | None:
    """The canonical JSON of the chosen fields, `a.b` for one within another; of everything if none is chosen."""
    whole = dumped(raw)
    if whole is None or not fields:
        return whole
    value = json.loads(whole)
    found = {field: part for field in fields if (part := within(value, field)) is not MISSING}
    return json.dumps(found, sort_keys=True, separators=(",", ":")) if found else None


def within(value: object, path: str) -> object:
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return MISSING
        value = value[name]
    return value
