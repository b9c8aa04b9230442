"""What a key may do: the limits behind its tenant in the keys file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cogitate.strategies import STRATEGIES


class BadRights(Exception):
    """A limit that cannot be read. One line."""


@dataclass(frozen=True, slots=True)
class Rights:
    """None: no limit of its own."""

    requests_per_minute: int | None = None
    generations: int | None = None
    """In flight at once, in all of the key's requests."""
    max_cost: int | None = None
    """Completion tokens that one request may cost."""
    strategies: frozenset[str] | None = None
    code: bool = False
    """Whether its requests may run programs that the model wrote."""

    @classmethod
    def parsed(cls, words: Sequence[str]) -> "Rights":
        """`name=value` words. Raises BadRights."""
        said: dict[str, Any] = {}
        for word in words:
            name, _, value = word.partition("=")
            if name in said:
                raise BadRights(f"{name} is said twice")
            said[name] = _value(name, value)
        return cls(**said)


def _value(name: str, value: str) -> object:
    match name:
        case "requests_per_minute" | "generations" | "max_cost":
            if not value.isdecimal() or not 0 < int(value) < 2**31:
                raise BadRights(f"{name} must be a number above 0")
            return int(value)
        case "strategies":
            return _names(value)
        case "code" if value in ("true", "false"):
            return value == "true"
    raise BadRights(f"{name or 'an empty word'} is no limit of a key: {', '.join(Rights.__slots__)}")


def _names(value: str) -> frozenset[str]:
    names = frozenset(value.split(","))
    if unknown := names - STRATEGIES.keys():
        raise BadRights(f"there is no strategy {min(unknown) or 'without a name'}")
    return names
