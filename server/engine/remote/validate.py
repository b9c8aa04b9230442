"""Is it what it should be? Small questions, asked of everything an upstream says."""

import math
from typing import Any, TypeGuard

from cogitate.server.engine.remote.errors import Lost

MOST_TOKENS = 2**31


def is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_TOKENS


def are_counts(values: list[Any]) -> bool:
    """The same of many at once."""
    return not values or (set(map(type, values)) == {int} and min(values) >= 0 and max(values) < MOST_TOKENS)


def is_logprob(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value <= 0.001


def text(value: object, what: str) -> str:
    """A text; empty where there is none. Raises Lost."""
    if value is not None and not isinstance(value, str):
        raise Lost(f"sent {what} that is no text")
    return value or ""


def mapping(value: object) -> dict[str, Any]:
    """An object; empty where there is none."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
