"""Token counts as upstreams report them: null, missing, as fractions, of details alone, or contradictory.

What cannot be read is unknown, and no reason to lose an answer. A count over the limit by more than a few tokens is no
more than a claim, so it is billed up to the limit.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cogitate.server.engine.remote.validate import MAX_TOKEN_COUNT, as_dict, is_count

MAX_EXTRA_TOKENS = 16
"""How many tokens over the limit are believed: some servers count one too many, or the tokens of an end of turn."""
MAX_DIGITS = 10


@dataclass(frozen=True, slots=True)
class ReportedUsage:
    """The token counts of a response. `is_known`: the upstream reported both; else each is a lower bound."""

    prompt: int = 0
    completion: int = 0
    cached: int | None = None
    is_known: bool = False


def to_count(value: object) -> int | None:
    """Return a count, also where it is a float or a text; None where it is none."""
    if is_count(value):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS:
        value = float(value)
    if isinstance(value, float) and math.isfinite(value) and value.is_integer() and 0 <= value < MAX_TOKEN_COUNT:
        return int(value)
    return None


def merge_usage(earlier: object, later: object) -> object:
    """Return the usage of a stream after a further report, which may have some of the counts only."""
    if not isinstance(later, dict) or not later:
        return earlier
    if not isinstance(earlier, dict):
        return later
    return earlier | {name: value for name, value in later.items() if value is not None}


def parse_usage(usage: object, max_tokens: int | None) -> ReportedUsage:
    """Parse `usage`. A count that is impossible, or far over `max_tokens`, is unknown."""
    counts = as_dict(usage)
    prompt = _find_count(counts, "prompt_tokens", "input_tokens")
    completion = _find_count(counts, "completion_tokens", "output_tokens")
    total = to_count(counts.get("total_tokens"))
    if completion is None and prompt is not None and total is not None and total >= prompt:
        completion = total - prompt
    is_plausible = completion is None or max_tokens is None or completion <= max_tokens + MAX_EXTRA_TOKENS
    if not is_plausible:
        completion = max_tokens
    is_known = prompt is not None and completion is not None and is_plausible
    cached = to_count(as_dict(counts.get("prompt_tokens_details")).get("cached_tokens"))
    if cached is not None and cached > (prompt or 0):
        cached = None
    return ReportedUsage(prompt or 0, completion or 0, cached, is_known)


def _find_count(counts: Mapping[str, Any], *names: str) -> int | None:
    found = (to_count(counts.get(name)) for name in names)
    return next((count for count in found if count is not None), None)
