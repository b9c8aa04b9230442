"""Parsing and type checks of untrusted JSON."""

import json
import math
from typing import Any, TypeGuard

import orjson

from cogitate.server.engine.remote.errors import UpstreamFailed

MAX_TOKEN_COUNT = 2**31


def parse_json(text: bytes) -> Any:  # noqa: ANN401 JSON
    """Parse JSON, also after a byte order mark, and with the NaN and Infinity that Python writes: null here.

    Raises UpstreamFailed.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        if not is_relaxed(text):
            raise UpstreamFailed("returned invalid JSON") from None
    try:
        return json.loads(text.decode("utf-8-sig"), parse_constant=lambda name: None)
    except (ValueError, RecursionError):
        raise UpstreamFailed("returned invalid JSON") from None


def is_relaxed(text: bytes) -> bool:
    """Whether `text` may be JSON in Python's form, with NaN, Infinity or a byte order mark."""
    return text.startswith(b"\xef\xbb\xbf") or b"NaN" in text or b"Infinity" in text


def is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_TOKEN_COUNT


def are_counts(values: list[Any]) -> bool:
    """Whether `is_count` holds for every value; faster than one call for each."""
    return not values or (set(map(type, values)) == {int} and min(values) >= 0 and max(values) < MAX_TOKEN_COUNT)


def is_logprob(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value <= 0.001


def as_text(value: object, field: str) -> str:
    """Return a string; empty for None. Raises UpstreamFailed, naming `field`, for any other type."""
    if value is not None and not isinstance(value, str):
        raise UpstreamFailed(f"returned {field} that is not a string")
    return value or ""


def as_dict(value: object) -> dict[str, Any]:
    """Return a JSON object; empty where `value` is none."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Return a JSON array; empty where `value` is none."""
    return value if isinstance(value, list) else []
