"""Tool calls and JSON answers as votes, compared on all fields or on selected ones."""

import json
from collections.abc import Sequence
from dataclasses import replace

from cogitate.strategies.answers.answer import MAX_TEXT_CHARACTERS, Answer
from cogitate.strategies.answers.json_answer import canonical_json

MISSING = object()
"""Marks a path that leads nowhere; None is a JSON value."""


def answer_from_calls(calls: Sequence[tuple[str, str]], fields: Sequence[str] = ()) -> Answer | None:
    """One vote for these calls: their names in order, and the canonical JSON of their arguments.

    None where the arguments are not a JSON object: such a call cannot be executed.
    """
    keys = []
    for name, arguments in calls:
        key = canonical_fields(arguments or "{}", fields) if len(arguments) <= MAX_TEXT_CHARACTERS else None
        if key is None or not key.startswith("{"):
            return None
        keys.append([name, key])
    text = ", ".join(f"{name}({arguments})" for name, arguments in calls)
    return Answer(text, json.dumps(keys), "tool")


def narrow_to_fields(answer: Answer, fields: Sequence[str]) -> Answer | None:
    """A JSON answer whose key is made of these fields only; None where it has none of them."""
    key = canonical_fields(answer.raw, fields)
    return None if key is None else replace(answer, key=key)


def canonical_fields(raw: str, fields: Sequence[str]) -> str | None:
    """The canonical JSON of the fields, `a.b` for a nested one; of everything where `fields` is empty.

    None where `raw` is not JSON or has none of the fields.
    """
    serialized = canonical_json(raw)
    if serialized is None or not fields:
        return serialized
    value = json.loads(serialized)
    selected = {field: part for field in fields if (part := resolve_path(value, field)) is not MISSING}
    return json.dumps(selected, sort_keys=True, separators=(",", ":")) if selected else None


def resolve_path(value: object, path: str) -> object:
    """The value at a dotted path; MISSING where there is none."""
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return MISSING
        value = value[name]
    return value
