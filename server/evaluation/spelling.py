"""How a person writes a name with options: NAME:option=value,option=value."""

import json
import re

ASSIGNED = re.compile(r"\s*([a-z_]+)\s*=\s*(.*)", re.S)


class Misspelled(Exception):
    """What is wrong with it, in one line."""


def spelled(written: str) -> dict[str, object]:
    """The options by name, and the name itself as `name`. Raises Misspelled."""
    name, _, rest = written.partition(":")
    options: dict[str, object] = {"name": name.strip()}
    for part in filter(None, rest.split(",")):
        if not (assigned := ASSIGNED.fullmatch(part)):
            raise Misspelled(f"{written}: {part} is not option=value")
        options[assigned[1]] = value(assigned[2])
    return options


def value(written: str) -> object:
    """A number, true, false or null; any other word is itself."""
    try:
        return json.loads(written)
    except json.JSONDecodeError:
        return written
